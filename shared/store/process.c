#include "store/process.h"

#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/parse.h"

/* A line of stat is some 300 bytes long, at most 1 kB. */
#define LINE_MAX_LEN 2048

static enum da_err
read_fact(const char *proc_dir, int32_t pid, const char *name, char *ret,
    size_t size, struct da_diag *diag)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%ld%s%s", proc_dir, (long)pid,
	    name[0] != '\0' ? "/" : "", name);
	return da_file_read_kernel(path, ret, size, diag);
}

/* The n-th word from "at", as a number. */
static enum da_err
word(char *at, unsigned n, int64_t *ret)
{
	char *save = NULL;
	char *text = strtok_r(at, " \n", &save);

	while (text != NULL && n-- > 0)
		text = strtok_r(NULL, " \n", &save);
	return text != NULL ? da_parse_int(text, 0, INT64_MAX, ret)
			    : DA_E_SYNTAX;
}

static enum da_err
look(const char *proc_dir, int32_t pid, struct da_process *ret,
    int32_t *ret_parent, bool *ret_ended, struct da_diag *diag)
{
	char line[LINE_MAX_LEN], copy[LINE_MAX_LEN];
	int64_t parent, start_ticks;
	const char *name_end;
	enum da_err err =
	    read_fact(proc_dir, pid, "stat", line, sizeof(line), diag);

	if (err != DA_OK)
		return err;
	/* The name stands in brackets and may hold anything, brackets too. */
	name_end = strrchr(line, ')');
	if (name_end == NULL || strlen(name_end) < 4) {
		da_diag_set(diag, "process %d: no status line", (int)pid);
		return DA_E_SYNTAX;
	}
	/* proc(5): state is field 3, ppid 4, starttime 22. */
	(void)snprintf(copy, sizeof(copy), "%s", name_end + 4);
	err = word(copy, 0, &parent);
	(void)snprintf(copy, sizeof(copy), "%s", name_end + 4);
	if (err == DA_OK)
		err = word(copy, 22 - 4, &start_ticks);
	if (err != DA_OK || parent > INT32_MAX) {
		da_diag_set(diag, "process %d: no status line", (int)pid);
		return DA_E_SYNTAX;
	}
	*ret = (struct da_process){
	    .pid = pid, .start_ticks = (uint64_t)start_ticks};
	if (ret_parent != NULL)
		*ret_parent = (int32_t)parent;
	*ret_ended = name_end[2] == 'Z' || name_end[2] == 'X';
	return DA_OK;
}

enum da_err
da_process_look(const char *proc_dir, int32_t pid, struct da_process *ret,
    int32_t *ret_parent, struct da_diag *diag)
{
	struct da_process found;
	int32_t parent;
	bool ended;
	enum da_err err = look(proc_dir, pid, &found, &parent, &ended, diag);

	if (err == DA_OK && ended)
		err = DA_E_ABSENT;
	if (err != DA_OK)
		return err;
	*ret = found;
	if (ret_parent != NULL)
		*ret_parent = parent;
	return DA_OK;
}

enum da_err
da_process_look_any(const char *proc_dir, int32_t pid, struct da_process *ret,
    int32_t *ret_parent, struct da_diag *diag)
{
	bool ended;

	return look(proc_dir, pid, ret, ret_parent, &ended, diag);
}

bool
da_process_lives(const char *proc_dir, const struct da_process *process)
{
	struct da_process now;
	enum da_err err =
	    da_process_look(proc_dir, process->pid, &now, NULL, NULL);

	/* When it cannot be told, nobody's session is taken away. */
	if (err != DA_OK)
		return err != DA_E_ABSENT;
	return now.start_ticks == process->start_ticks;
}

static enum da_err
read_audit_fact(const char *proc_dir, int32_t pid, const char *name,
    uint32_t *ret, struct da_diag *diag)
{
	struct da_process process;
	char text[32];
	int64_t value;
	enum da_err err =
	    read_fact(proc_dir, pid, name, text, sizeof(text), diag);

	if (err == DA_E_ABSENT) {
		/* A kernel without audit, if the process is there. */
		err = da_process_look_any(proc_dir, pid, &process, NULL, diag);
		if (err == DA_OK)
			*ret = DA_AUDIT_NONE;
		return err;
	}
	if (err != DA_OK)
		return err;
	text[strcspn(text, "\n")] = '\0';
	if (da_parse_int(text, 0, UINT32_MAX, &value) != DA_OK) {
		da_diag_set(diag, "process %d: no %s", (int)pid, name);
		return DA_E_SYNTAX;
	}
	*ret = (uint32_t)value;
	return DA_OK;
}

enum da_err
da_process_audit_session(
    const char *proc_dir, int32_t pid, uint32_t *ret, struct da_diag *diag)
{
	return read_audit_fact(proc_dir, pid, "sessionid", ret, diag);
}

enum da_err
da_process_login_uid(
    const char *proc_dir, int32_t pid, uint32_t *ret, struct da_diag *diag)
{
	return read_audit_fact(proc_dir, pid, "loginuid", ret, diag);
}
