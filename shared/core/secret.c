#include "core/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/limits.h"

enum da_err
da_secret_set(struct da_secret *ret, const void *bytes, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t mapped;
	uint8_t *map;

	if (len > DA_TOKEN_MAX)
		return DA_E_TOO_LARGE;
	mapped = (len + 1 + page - 1) / page * page;
	map = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return DA_E_NOMEM;
	/* Best effort: an old kernel without these still wipes at the end. */
	(void)madvise(map, mapped, MADV_DONTDUMP);
	(void)madvise(map, mapped, MADV_WIPEONFORK);
	if (len > 0)
		memcpy(map, bytes, len);
	ret->bytes = map;
	ret->len = len;
	ret->mapped = mapped;
	return DA_OK;
}

void
da_secret_done(struct da_secret *secret)
{
	if (secret == NULL || secret->bytes == NULL)
		return;
	explicit_bzero(secret->bytes, secret->mapped);
	(void)munmap(secret->bytes, secret->mapped);
	*secret = (struct da_secret){0};
}

bool
da_secret_equal(const struct da_secret *a, const struct da_secret *b)
{
	unsigned int different = 0;

	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		different |= (unsigned int)(a->bytes[i] ^ b->bytes[i]);
	return different == 0;
}

void
da_secret_wipe(void *bytes, size_t len)
{
	explicit_bzero(bytes, len);
}

enum da_err
da_secret_random(void *bytes, size_t len)
{
	uint8_t *p = bytes;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return DA_E_SYS;
		p += n;
		len -= (size_t)n;
	}
	return DA_OK;
}
