/*
 * devauth.conf as it is in force, in its own syntax, and with what could be
 * said besides. Runs in the command.
 */
#include <string.h>

#include "store/config.h"
#include "store/config_schema.h"
#include "store/config_value.h"

/* Lines of help, as comments. */
static enum da_err
dump_help(const char *help, struct da_buf *ret)
{
	enum da_err err = da_buf_put_text(ret, "\n");

	while (err == DA_OK && *help != '\0') {
		int len = (int)(strchrnul(help, '\n') - help);

		err = da_buf_format(ret, "# %.*s\n", len, help);
		help += len + (help[len] == '\n' ? 1 : 0);
	}
	return err;
}

/* A key that the section has not, and what it would be. */
static enum da_err
dump_absent(const struct da_config_row *row, struct da_buf *ret)
{
	enum da_err err = dump_help(row->help, ret);

	if (err == DA_OK && row->initial == NULL)
		err = da_buf_put_text(ret, "# It has to be given.\n");
	if (err == DA_OK)
		err = da_buf_format(ret, "#%s =%s%s\n", row->key,
		    row->initial != NULL && row->initial[0] != '\0' ? " " : "",
		    row->initial != NULL ? row->initial : "");
	return err;
}

static enum da_err
dump_section(const struct da_section *section, bool explain, struct da_buf *ret)
{
	const struct da_config_kind *kind = section->kind;
	char title[DA_CONFIG_TITLE_MAX];
	enum da_err err;

	da_config_format_title(section, title, sizeof(title));
	err = da_buf_format(ret, "%s\n", title);
	for (size_t i = 0; err == DA_OK && i < kind->row_count; i++) {
		const struct da_config_row *row = &kind->rows[i];

		/* An empty list says something else than none. */
		if (kind->absent_means_else && section->lines[i] == 0) {
			err = explain ? dump_absent(row, ret) : DA_OK;
			continue;
		}
		if (explain)
			err = dump_help(row->help, ret);
		if (err == DA_OK)
			err = da_buf_format(ret, "%s =", row->key);
		if (err == DA_OK)
			err = da_config_value_format(row, section, ret);
		if (err == DA_OK)
			err = da_buf_put_text(ret, "\n");
	}
	return err;
}

/* What a section of a kind that the file has none of could say. */
static enum da_err
dump_kind(const struct da_config_kind *kind, struct da_buf *ret)
{
	enum da_err err = dump_help(kind->help, ret);

	if (err == DA_OK)
		err = da_buf_format(ret, "#[%sNAME]\n", kind->prefix);
	for (size_t i = 0; err == DA_OK && i < kind->row_count; i++)
		err = dump_absent(&kind->rows[i], ret);
	return err;
}

enum da_err
da_config_dump(const struct da_config *config, bool explain, struct da_buf *ret)
{
	struct da_config *source = (struct da_config *)(uintptr_t)config;
	enum da_err err = dump_section(
	    (const struct da_section *)(const void *)config, explain, ret);

	for (size_t k = 0; err == DA_OK && k < da_config_kind_count; k++) {
		const struct da_config_kind *kind = &da_config_kinds[k];
		const size_t count = *da_config_section_count(source, kind);

		if (count == 0 && explain)
			err = dump_kind(kind, ret);
		for (size_t i = 0; err == DA_OK && i < count; i++) {
			err = explain && i == 0 ? dump_help(kind->help, ret)
						: da_buf_put_text(ret, "\n");
			if (err == DA_OK)
				err = dump_section(
				    da_config_section_at(source, kind, i),
				    explain, ret);
		}
	}
	return err;
}
