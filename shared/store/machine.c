#include "store/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

#define BOOT_ID "sys/kernel/random/boot_id"
#define FACT_MAX 256

/* One line of printable text. */
static enum da_err
take_line(const char *path, const char *text, size_t len, char *ret,
    size_t size, struct da_diag *diag)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len >= size || memchr(text, '\0', len) != NULL)
		len = 0;
	memcpy(ret, text, len);
	ret[len] = '\0';
	if (len > 0 && da_text_is_printable(ret))
		return DA_OK;
	da_diag_set(diag, "%s: not one short line of text", path);
	return DA_E_SYNTAX;
}

static enum da_err
read_fact(const char *path, char *ret, size_t size, struct da_diag *diag)
{
	char text[FACT_MAX];
	enum da_err err = da_file_read_kernel(path, text, sizeof(text), diag);

	return err == DA_OK
	    ? take_line(path, text, strlen(text), ret, size, diag)
	    : err;
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
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0644, .size_max = FACT_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf text;
	enum da_err err;

	da_buf_init(&text, FACT_MAX);
	err = da_file_read(paths->machine_id_file, &rule, &text, diag);
	if (err == DA_OK)
		err = take_line(paths->machine_id_file, da_buf_text(&text),
		    text.len, ret, size, diag);
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
	    boot_path, machine.boot_id, sizeof(machine.boot_id), diag);
	if (err == DA_OK && !is_hex(machine.boot_id, 36, "-")) {
		da_diag_set(diag, "%s: not a boot id", boot_path);
		err = DA_E_SYNTAX;
	}
	if (err == DA_E_ABSENT) {
		da_diag_set(diag, "%s: there is no such file", boot_path);
		err = DA_E_SYS;
	}
	if (err != DA_OK)
		return err;
	err = read_fact(paths->product_uuid_file, machine.product_uuid,
	    sizeof(machine.product_uuid), diag);
	/* In a user namespace even root may not read it. */
	if (err != DA_OK && err != DA_E_ABSENT &&
	    (err != DA_E_SYS || errno != EACCES))
		return err;
	/* Kernels have written it in either case. */
	for (char *c = machine.product_uuid; *c != '\0'; c++)
		*c = da_text_lower(*c);
	*ret = machine;
	return DA_OK;
}
