/*
 * Names and numbers of people. Pure functions: no state, no system call.
 */
#include "account/account.h"

#include <string.h>

/* What may be in a name. At its start only those from '_' on may: that leaves
 * the digits and '-' out. */
static const bool inside[256] = {
    ['a' ... 'z'] = true,
    ['_'] = true,
    ['0' ... '9'] = true,
    ['-'] = true,
};

typedef uint8_t bytes __attribute__((vector_size(16)));
typedef int8_t numbers __attribute__((vector_size(16)));
typedef uint64_t words __attribute__((vector_size(16)));

/* Whether all of eight characters here and eight there may be in a name. At
 * once, because NSS does so for every answer, and because no two names are of
 * one length: a loop by characters ends where the processor does not expect
 * it. */
static inline bool
are_inside(const char *here, const char *there)
{
	uint64_t first, second;
	bytes text, good;

	memcpy(&first, here, sizeof(first));
	memcpy(&second, there, sizeof(second));
	text = (bytes)(words){first, second};
	/* Moved to where the numbers end, a range is one comparison. */
	good = (bytes)((numbers)(text + (INT8_MAX - 'z')) >
		   INT8_MAX - ('z' - 'a' + 1)) |
	    (bytes)((numbers)(text + (INT8_MAX - '9')) >
		INT8_MAX - ('9' - '0' + 1)) |
	    (bytes)(text == '_') | (bytes)(text == '-');
	return (((words)good)[0] & ((words)good)[1]) == UINT64_MAX;
}

bool
da_account_name_is_wellformed(const char *name, size_t len)
{
	const char *end = name + len;

	if (len == 0 || len > DA_USER_MAX || (unsigned char)*name < '_')
		return false;
	if (__builtin_expect(len < 8, 0)) {
		while (name < end) {
			if (!inside[(unsigned char)*name++])
				return false;
		}
		return true;
	}
	if (__builtin_expect(len <= 16, 1))
		return are_inside(name, end - 8);
	return are_inside(name, name + 8) && are_inside(end - 16, end - 8);
}

size_t
da_account_name_measure(const char *name)
{
	size_t len = strnlen(name, DA_USER_MAX + 1);

	return da_account_name_is_wellformed(name, len) ? len : 0;
}

enum da_err
da_account_name_check(const char *name)
{
	return da_account_name_measure(name) > 0 ? DA_OK : DA_E_BAD_NAME;
}

/* Some that Debian's packages create when they are installed, and groups that
 * are known to make root of their members. Those that the host has already are
 * refused by da_local_find(). One string, without pointers that every process
 * would have to relocate. */
static const char reserved[] =
    "adm\0admin\0administrators\0admins\0audio\0avahi\0backup\0bin\0cdrom\0"
    "chrony\0crontab\0daemon\0dialout\0dip\0disk\0docker\0ftp\0games\0git\0"
    "gnats\0incus\0incus-admin\0input\0irc\0kmem\0kvm\0libvirt\0"
    "libvirt-qemu\0list\0lp\0lpadmin\0lxd\0mail\0man\0messagebus\0mysql\0"
    "netdev\0news\0nobody\0nogroup\0ntp\0operator\0plugdev\0podman\0polkitd\0"
    "postfix\0postgres\0proxy\0redis\0render\0root\0sasl\0sgx\0shadow\0"
    "shutdown\0src\0ssh\0sshd\0ssl-cert\0staff\0sudo\0sudoers\0sync\0sys\0"
    "syslog\0systemd-journal\0tape\0tcpdump\0tss\0tty\0users\0utmp\0uucp\0"
    "uuidd\0vboxusers\0video\0voice\0wheel\0wireshark\0www-data\0";

bool
da_account_name_is_reserved(const char *name)
{
	for (const char *a = reserved; *a != '\0'; a++) {
		const char *b = name;

		while (*a != '\0' && *a == *b) {
			a++;
			b++;
		}
		if (*a == *b)
			return true;
		while (*a != '\0')
			a++;
	}
	/* systemd's and our own service accounts. */
	return name[0] == '_';
}

bool
da_account_id_is_usable(uint32_t id)
{
	return (id >= 65536 && id <= INT32_MAX) || (id >= 1000 && id <= 60000);
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
