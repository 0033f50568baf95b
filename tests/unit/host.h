/*
 * A machine for tests of what is sealed to one: its ids, its /proc, its folders
 * of keys and tokens, all below one folder.
 */
#ifndef DA_TESTS_HOST_H
#define DA_TESTS_HOST_H

#include <stdint.h>

#include "core/buf.h"
#include "folder.h"

#define TEST_MACHINE_A "0123456789abcdef0123456789abcdef"
#define TEST_MACHINE_B "0123456789abcdef0123456789abcde0"
#define TEST_BOOT_A "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
#define TEST_BOOT_B "f81d4fae-7dec-11d0-a765-00a0c91e6bf7"
#define TEST_UUID_A "4c4c4544-0042-3510-8052-b4c04f4a3132"
#define TEST_UUID_B "4c4c4544-0042-3510-8052-b4c04f4a3133"

/* Sets up OpenSSL as the broker does. */
void test_host_crypto(void);

/* The machine's ids; NULL: it has none of that kind. */
void test_host_ids(const struct test_folder *folder, const char *machine_id,
    const char *boot_id, const char *product_uuid);

/* A process in its /proc; its name holds brackets and blanks. */
void test_host_process(const struct test_folder *folder, int32_t pid,
    int32_t parent, uint64_t start_ticks, uint32_t audit);
void test_host_login_uid(
    const struct test_folder *folder, int32_t pid, uint32_t uid);
void test_host_process_ends(const struct test_folder *folder, int32_t pid);

/* Copies the folders of keys, tokens and sessions, modes and all. */
void
test_host_copy(const struct test_folder *from, const struct test_folder *to);

/* A whole file; room for it in "ret", which is initialised. */
void test_host_read(const char *dir, const char *name, struct da_buf *ret);
void test_host_write(
    const char *dir, const char *name, const void *bytes, size_t len);

/* How many files of a folder begin with that. */
unsigned test_host_count(const char *dir, const char *prefix);

#endif
