#include "host.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "unit.h"

void
test_host_crypto(void)
{
	assert_int_equal(
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
		    OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		    OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_ATEXIT,
		NULL),
	    1);
}

static void
make_folder(const struct test_folder *folder, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder->root, name);
	(void)mkdir(path, 0755); /* may be there */
	assert_int_equal(access(path, X_OK), 0);
}

static void
write_fact(const struct test_folder *folder, const char *name, const char *text)
{
	char path[256], line[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder->root, name);
	(void)snprintf(line, sizeof(line), "%s\n", text != NULL ? text : "");
	if (text != NULL)
		test_folder_write(folder, name, 0444, line);
	else
		(void)unlink(path); /* may not be there */
}

void
test_host_ids(const struct test_folder *folder, const char *machine_id,
    const char *boot_id, const char *product_uuid)
{
	make_folder(folder, "proc");
	make_folder(folder, "proc/sys");
	make_folder(folder, "proc/sys/kernel");
	make_folder(folder, "proc/sys/kernel/random");
	write_fact(folder, "machine-id", machine_id);
	write_fact(folder, "proc/sys/kernel/random/boot_id", boot_id);
	write_fact(folder, "product_uuid", product_uuid);
}

void
test_host_process(const struct test_folder *folder, int32_t pid, int32_t parent,
    uint64_t start_ticks, uint32_t audit)
{
	char name[64], text[256];

	(void)snprintf(name, sizeof(name), "proc/%d", pid);
	make_folder(folder, name);
	(void)snprintf(name, sizeof(name), "proc/%d/stat", pid);
	(void)snprintf(text, sizeof(text),
	    "%d (a) S 1 (b c) S %d 7 7 34816 7 4194560 9 0 0 0 1 2 0 0 20 0 "
	    "1 0 %llu 1000000 99 18446744073709551615\n",
	    pid, parent, (unsigned long long)start_ticks);
	test_folder_write(folder, name, 0444, text);
	(void)snprintf(name, sizeof(name), "proc/%d/sessionid", pid);
	(void)snprintf(text, sizeof(text), "%u", audit);
	test_folder_write(folder, name, 0444, text);
}

void
test_host_login_uid(const struct test_folder *folder, int32_t pid, uint32_t uid)
{
	char name[64], text[16];

	(void)snprintf(name, sizeof(name), "proc/%d/loginuid", pid);
	(void)snprintf(text, sizeof(text), "%u", uid);
	test_folder_write(folder, name, 0444, text);
}

void
test_host_process_ends(const struct test_folder *folder, int32_t pid)
{
	char command[128];

	(void)snprintf(
	    command, sizeof(command), "rm -r '%s/proc/%d'", folder->root, pid);
	assert_int_equal(system(command), 0);
}

void
test_host_copy(const struct test_folder *from, const struct test_folder *to)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
	    "rm -rf '%s/state' '%s/run' && cp -a '%s/state' '%s/run' '%s'",
	    to->root, to->root, from->root, from->root, to->root);
	assert_int_equal(system(command), 0);
}

void
test_host_read(const char *dir, const char *name, struct da_buf *ret)
{
	uint8_t chunk[4096];
	char path[512];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		assert_int_equal(da_buf_put(ret, chunk, (size_t)n), DA_OK);
	assert_int_equal(n, 0);
	(void)close(fd);
}

void
test_host_write(
    const char *dir, const char *name, const void *bytes, size_t len)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path); /* may not be there */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

unsigned
test_host_count(const char *dir, const char *prefix)
{
	DIR *list = opendir(dir);
	struct dirent *entry;
	unsigned count = 0;

	if (list == NULL)
		return 0;
	while ((entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			count++;
	}
	(void)closedir(list);
	return count;
}
