/*
 * Names and numbers of people. Pure functions: no state, no system call.
 */
#include "account/account.h"

/* What a character may be in a name: nothing, not the first, anything. */
enum place {
	NOWHERE = 0,
	INSIDE = 1,
	ANYWHERE = 3,
};

static const uint8_t places[256] = {
    ['a' ... 'z'] = ANYWHERE,
    ['_'] = ANYWHERE,
    ['0' ... '9'] = INSIDE,
    ['-'] = INSIDE,
};

bool
da_account_name_is_wellformed(const char *name, size_t len)
{
	unsigned place = INSIDE;

	if (len == 0 || len > DA_USER_MAX ||
	    places[(unsigned char)name[0]] != ANYWHERE)
		return false;
	for (size_t i = 1; i < len; i++)
		place &= places[(unsigned char)name[i]];
	return place == INSIDE;
}

enum da_err
da_account_name_check(const char *name)
{
	size_t len = 0;

	while (len <= DA_USER_MAX && name[len] != '\0')
		len++;
	return da_account_name_is_wellformed(name, len) ? DA_OK
							: DA_E_BAD_NAME;
}

bool
da_account_id_is_usable(uint32_t id)
{
	return (id >= 1000 && id <= 60000) || (id >= 65536 && id <= INT32_MAX);
}

/*
 * FNV-1a over the bytes of the name spreads its differences, the finaliser of
 * SplitMix64 spreads them over all bits, and the high half of the product with
 * the size of the range picks a number without the bias of a remainder.
 * Frozen: every host computes the same, and files on disk belong to the result.
 */
uint32_t
da_account_uid_hash(const char *name)
{
	const uint64_t range =
	    (uint64_t)DA_ACCOUNT_UID_MAX - DA_ACCOUNT_UID_MIN + 1;
	uint64_t h = 0xcbf29ce484222325u;

	for (; *name != '\0'; name++) {
		h ^= (unsigned char)*name;
		h *= 0x100000001b3u;
	}
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	h ^= h >> 31;
	/* (h * range) >> 64; the range has 28 bits, so 32 by 32 bits do. */
	h = (h >> 32) * range + ((h & UINT32_MAX) * range >> 32);
	return DA_ACCOUNT_UID_MIN + (uint32_t)(h >> 32);
}
