/*
 * Walks accounts.cdb for the administrator. Runs in the command.
 */
#include "account/listing.h"

#include <string.h>

#include "account/account.h"
#include "account/record.h"

static bool
give_person(const struct da_cell *cell, struct da_listing *ret)
{
	struct da_record_person found;

	if (!da_record_read_person(cell, &found))
		return false;
	*ret = (struct da_listing){
	    .kind = found.renamed ? DA_LISTING_RENAMED
		: found.removed   ? DA_LISTING_REMOVED
				  : DA_LISTING_PERSON,
	    .id = found.uid,
	    .gecos = found.text,
	    .home = found.text + found.gecos_len + 1,
	    .shell = found.text + found.gecos_len + 1 + found.home_len + 1,
	};
	return true;
}

static bool
give_group(const struct da_cell *cell, struct da_listing *ret)
{
	struct da_record_group found;

	if (!da_record_read_group(cell, &found))
		return false;
	*ret = (struct da_listing){
	    .kind = found.removed ? DA_LISTING_REMOVED_GROUP : DA_LISTING_GROUP,
	    .id = found.gid,
	    .gecos = "",
	    .home = "",
	    .shell = "",
	};
	return true;
}

/* False when the record is damaged; *ret_skip for kinds that are no names. */
static bool
give(const struct da_cell *cell, bool *ret_skip, struct da_listing *ret)
{
	const char *name = (const char *)cell->key + 1;
	size_t len = cell->key_len - 1;
	bool good;

	*ret_skip = false;
	switch (cell->key[0]) {
	case DA_KIND_PERSON:
		good = give_person(cell, ret);
		break;
	case DA_KIND_GROUP:
		good = give_group(cell, ret);
		break;
	case DA_KIND_MANAGED:
		*ret = (struct da_listing){.kind = DA_LISTING_MANAGED,
		    .gecos = "",
		    .home = "",
		    .shell = ""};
		good = true;
		break;
	default:
		*ret_skip = true;
		return true;
	}
	if (!good || !da_account_name_is_wellformed(name, len))
		return false;
	memcpy(ret->name, name, len);
	ret->name[len] = '\0';
	return true;
}

enum da_err
da_listing_next(
    const struct da_view *view, uint32_t *position, struct da_listing *ret)
{
	const struct da_database *db = &view->accounts;
	uint32_t at = *position == 0 ? DA_FORMAT_TABLES_SIZE : *position;
	struct da_listing found;
	struct da_cell cell;
	bool skip = true;

	if (db->bytes == NULL)
		return DA_E_ABSENT;
	for (; skip; at = cell.next) {
		if (!da_database_at(db, at, &cell))
			return at == db->data_end ? DA_E_ABSENT
						  : DA_E_UNSAFE_FILE;
		if (!give(&cell, &skip, &found))
			return DA_E_UNSAFE_FILE;
	}
	*position = at;
	*ret = found;
	return DA_OK;
}
