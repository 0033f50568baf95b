/*
 * Records, laid out in a caller's buffer as libc wants them. No system call, no
 * allocation. DA_E_RANGE when the buffer is too small; the results are then
 * untouched, the buffer may not be.
 */
#ifndef DA_ACCOUNT_LAYOUT_H
#define DA_ACCOUNT_LAYOUT_H

#include "account/reader.h"
#include "account/record.h"

/* A group of one database and what the other adds; more.count may be 0. The
 * members of "more" have been looked at. */
struct da_layout_group {
	struct da_record_group group;
	struct da_record_group more;
};

enum da_err da_layout_person(const struct da_record_person *person,
    char *buffer, size_t size, struct da_account *ret) DA_MUST_CHECK;

/* The same without a call of memcpy(), for a walk, into DA_READER_SHORT bytes:
 * false for the few who need more or less than half of it. */
bool da_layout_short_person(const struct da_record_person *person, char *buffer,
    struct da_account *ret) DA_MUST_CHECK;

/* DA_E_ABSENT also when the members are not what the record says. */
enum da_err da_layout_group(const struct da_layout_group *found, char *buffer,
    size_t size, struct da_group *ret) DA_MUST_CHECK;

#endif
