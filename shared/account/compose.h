/*
 * New records from plain values.
 */
#ifndef DA_ACCOUNT_COMPOSE_H
#define DA_ACCOUNT_COMPOSE_H

#include "account/account.h"
#include "account/build.h"
#include "account/record.h"

/* Texts of a p record; gid may be a shared group's. */
struct da_compose_person {
	const char *name;
	const char *gecos;
	const char *home;
	const char *shell;
	uint32_t uid;
	uint32_t gid;
	bool removed;
	bool renamed; /* a former name; removed as well */
};

struct da_compose_group {
	const char *name;
	const char *const *members; /* in strcmp() order, none twice */
	uint32_t count;
	uint32_t gid;
	bool removed;
	bool local;
};

/* Add one record. Whoever calls makes sure that no name and no number comes
 * twice. Errors of da_build_put_cell(). */
enum da_err da_compose_person(struct da_build *build,
    const struct da_compose_person *person) DA_MUST_CHECK;
enum da_err da_compose_group(
    struct da_build *build, const struct da_compose_group *group) DA_MUST_CHECK;
enum da_err da_compose_gids(struct da_build *build, const char *name,
    const uint32_t *gids, uint32_t count) DA_MUST_CHECK;
enum da_err
da_compose_managed(struct da_build *build, const char *name) DA_MUST_CHECK;
enum da_err da_compose_policy(struct da_build *build,
    const struct da_record_policy *policy) DA_MUST_CHECK;

#endif
