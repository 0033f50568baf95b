#include "store/machine.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

#define BOOT_ID "sys/kernel/random/boot_id"
/* sysfs says 4096 of every file. */
#define FACT_MAX 4096

/* One line of printable text. */
static enum da_err
read_fact(const struct da_paths *paths, const char *path, char *ret,
    size_t size, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0644, .size_max = FACT_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf text;
	enum da_err err;

	da_buf_init(&text, FACT_MAX);
	err = da_file_read(path, &rule, &text, diag);
	if (err != DA_OK)
		return err;
	if (text.len > 0 && text.bytes[text.len - 1] == '\n')
		text.bytes[--text.len] = '\0';
	if (strlen(da_buf_text(&text)) != text.len ||
	    !da_text_is_printable(da_buf_text(&text)) ||
	    da_text_copy(da_buf_text(&text), ret, size) != DA_OK) {
		da_diag_set(diag, "%s: not one short line of text", path);
		return DA_E_SYNTAX;
	}
	return DA_OK;
}

static bool
is_hex(const char *text, size_t len, const char *more)
{
	char set[32];

	(void)snprintf(set, sizeof(set), "0123456789abcdef%s", more);
	return strlen(text) == len && strspn(text, set) == len;
}

static enum da_err
read_machine_id(
    const struct da_paths *paths, char *ret, size_t size, struct da_diag *diag)
{
	enum da_err err =
	    read_fact(paths, paths->machine_id_file, ret, size, diag);

	if (err == DA_E_ABSENT ||
	    ((err == DA_OK || err == DA_E_SYNTAX) && !is_hex(ret, 32, ""))) {
		/* Also "uninitialized" of an image that never booted. */
		da_diag_set(diag,
		    "%s: no machine id; run systemd-machine-id-setup or "
		    "dbus-uuidgen",
		    paths->machine_id_file);
		return err == DA_OK ? DA_E_SYNTAX : err;
	}
	return err;
}

enum da_err
da_machine_read(
    const struct da_paths *paths, struct da_machine *ret, struct da_diag *diag)
{
	struct da_machine machine = {0};
	char boot_path[256];
	enum da_err err = read_machine_id(
	    paths, machine.machine_id, sizeof(machine.machine_id), diag);

	if (err != DA_OK)
		return err;
	(void)snprintf(
	    boot_path, sizeof(boot_path), "%s/" BOOT_ID, paths->proc_dir);
	err = read_fact(
	    paths, boot_path, machine.boot_id, sizeof(machine.boot_id), diag);
	if (err == DA_OK && !is_hex(machine.boot_id, 36, "-")) {
		da_diag_set(diag, "%s: not a boot id", boot_path);
		err = DA_E_SYNTAX;
	}
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_E_SYS : err;
	err = read_fact(paths, paths->product_uuid_file, machine.product_uuid,
	    sizeof(machine.product_uuid), diag);
	if (err != DA_OK && err != DA_E_ABSENT)
		return err;
	/* Kernels have written it in either case. */
	for (char *c = machine.product_uuid; *c != '\0'; c++)
		*c = da_text_lower(*c);
	*ret = machine;
	return DA_OK;
}
