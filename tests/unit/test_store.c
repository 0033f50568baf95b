/* core/file and store/: files that root trusts, people, grants, cache. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "fault.h"
#include "folder.h"
#include "store/cache.h"
#include "store/grant.h"
#include "store/people.h"
#include "store/person.h"
#include "store/record.h"
#include "store/withdrawn.h"

static struct test_folder folder;
static struct da_diag diag;

static const char *
in_folder(const char *name)
{
	static char path[160];

	(void)snprintf(path, sizeof(path), "%s/%s", folder.root, name);
	return path;
}

static enum da_err
try_read(const char *name)
{
	const struct da_file_rule rule = {
	    .owner = getuid(), .mode_max = 0644, .size_max = 16};
	DA_CLEANUP(da_buf_done) struct da_buf buf;

	da_buf_init(&buf, 100);
	return da_file_read(in_folder(name), &rule, &buf, &diag);
}

/* F1: everything that is not a plain file of ours is refused, at once. */
static void
test_file_refuses(void **state)
{
	char other[160];

	(void)state;
	test_folder_write(&folder, "good", 0644, "fine");
	assert_int_equal(try_read("good"), DA_OK);
	assert_int_equal(try_read("absent"), DA_E_ABSENT);
	test_folder_write(&folder, "open", 0664, "x");
	assert_int_equal(try_read("open"), DA_E_UNSAFE_FILE);
	assert_non_null(strstr(diag.text, "chmod"));
	test_folder_write(&folder, "setuid", 04644, "x");
	assert_int_equal(try_read("setuid"), DA_E_UNSAFE_FILE);
	test_folder_write(&folder, "large", 0644, "12345678901234567");
	assert_int_equal(try_read("large"), DA_E_TOO_LARGE);
	assert_int_equal(symlink("good", in_folder("link")), 0);
	assert_int_equal(try_read("link"), DA_E_UNSAFE_FILE);
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_int_equal(try_read("fifo"), DA_E_UNSAFE_FILE);
	assert_int_equal(mkdir(in_folder("dir"), 0755), 0);
	assert_int_equal(try_read("dir"), DA_E_UNSAFE_FILE);
	(void)snprintf(other, sizeof(other), "%s/second", folder.root);
	assert_int_equal(link(in_folder("good"), other), 0);
	assert_int_equal(try_read("good"), DA_E_UNSAFE_FILE);
	assert_non_null(strstr(diag.text, "hard links"));
	if (getuid() == 0) {
		test_folder_write(&folder, "theirs", 0644, "x");
		assert_int_equal(chown(in_folder("theirs"), 65534, 0), 0);
		assert_int_equal(try_read("theirs"), DA_E_UNSAFE_FILE);
	}
}

static void
test_file_refuses_parents(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("wide"), 0755), 0);
	test_folder_write(&folder, "wide/file", 0644, "x");
	assert_int_equal(try_read("wide/file"), DA_OK);
	assert_int_equal(chmod(in_folder("wide"), 0777), 0);
	assert_int_equal(try_read("wide/file"), DA_E_UNSAFE_FILE);
	assert_int_equal(chmod(in_folder("wide"), 0755), 0);
	assert_int_equal(symlink("wide", in_folder("via")), 0);
	assert_int_equal(try_read("via/file"), DA_E_UNSAFE_FILE);
	assert_int_equal(try_read("wide/../wide/file"), DA_E_UNSAFE_FILE);
	assert_int_equal(try_read("wide//file"), DA_E_UNSAFE_FILE);
}

static int
open_root(void)
{
	return open(folder.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
test_file_replace(void **state)
{
	int dir = open_root();
	struct stat st;
	mode_t mask = umask(0);

	(void)state;
	assert_int_equal(
	    da_file_replace(dir, "new", 0600, "one", 3, &diag), DA_OK);
	(void)umask(0777);
	assert_int_equal(
	    da_file_replace(dir, "new", 0600, "two", 3, &diag), DA_OK);
	(void)umask(mask);
	assert_int_equal(stat(in_folder("new"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(try_read("new"), DA_OK);
	/* A link planted at the final name is replaced, not followed. */
	test_folder_write(&folder, "victim", 0644, "untouched");
	assert_int_equal(symlink("victim", in_folder("planted")), 0);
	assert_int_equal(
	    da_file_replace(dir, "planted", 0600, "x", 1, &diag), DA_OK);
	assert_int_equal(stat(in_folder("victim"), &st), 0);
	assert_int_equal(st.st_size, 9);
	assert_int_equal(
	    da_file_replace(dir, "a/b", 0600, "x", 1, &diag), DA_E_BUG);
	(void)close(dir);
}

static void
make_person(struct da_person *person, const char *name, const char *subject)
{
	da_person_init(person);
	(void)snprintf(person->name, sizeof(person->name), "%s", name);
	(void)snprintf(person->subject, sizeof(person->subject), "%s", subject);
	(void)snprintf(person->issuer, sizeof(person->issuer),
	    "https://login.example.com");
	(void)snprintf(person->profile, sizeof(person->profile), "corp");
	person->uid = 1900000000;
	person->verified_at_s = 1790000000;
	assert_int_equal(da_buf_put(&person->groups, "staff\0ops", 10), DA_OK);
}

static void
test_person_round_trip(void **state)
{
	struct da_person out, in;

	(void)state;
	make_person(&out, "alice", "sub=1");
	(void)snprintf(out.listed_as, sizeof(out.listed_as), "al");
	out.state_since_s = 1790000001;
	assert_int_equal(
	    da_person_load(&folder.paths, "alice", &in, &diag), DA_E_ABSENT);
	assert_int_equal(da_person_save(&folder.paths, &out, &diag), DA_OK);
	assert_int_equal(
	    da_person_load(&folder.paths, "alice", &in, &diag), DA_OK);
	assert_string_equal(in.subject, "sub=1");
	assert_string_equal(in.listed_as, "al");
	assert_string_equal(in.issuer, out.issuer);
	assert_int_equal(in.uid, out.uid);
	assert_int_equal(in.verified_at_s, out.verified_at_s);
	assert_int_equal(in.state_since_s, out.state_since_s);
	assert_int_equal(in.groups.len, 10);
	assert_memory_equal(in.groups.bytes, "staff\0ops", 10);
	assert_false(in.locked);
	da_person_done(&in);
	da_person_done(&out);
}

/* N4: a name and an identity stay together. */
static void
test_person_pin(void **state)
{
	struct da_person alice, other;

	(void)state;
	make_person(&alice, "alice", "1");
	assert_int_equal(da_person_save(&folder.paths, &alice, &diag), DA_OK);
	assert_int_equal(da_person_save(&folder.paths, &alice, &diag), DA_OK);
	make_person(&other, "alice", "2");
	assert_int_equal(
	    da_person_save(&folder.paths, &other, &diag), DA_E_PIN);
	da_person_done(&other);
	make_person(&other, "alicia", "1");
	assert_int_equal(
	    da_person_save(&folder.paths, &other, &diag), DA_E_PIN);
	/* The same subject of another issuer is another identity. */
	(void)snprintf(other.issuer, sizeof(other.issuer), "https://evil");
	assert_int_equal(da_person_save(&folder.paths, &other, &diag), DA_OK);
	(void)snprintf(alice.issuer, sizeof(alice.issuer), "https://evil2");
	assert_int_equal(
	    da_person_save(&folder.paths, &alice, &diag), DA_E_PIN);
	da_person_done(&other);
	da_person_done(&alice);
}

/* A lock that an administrator sets while somebody signs in stands. */
static void
test_person_locked_meanwhile(void **state)
{
	struct da_person person, in;

	(void)state;
	make_person(&person, "alice", "1");
	person.locked = true;
	assert_int_equal(da_person_save(&folder.paths, &person, &diag), DA_OK);
	person.locked = false;
	assert_int_equal(
	    da_person_save(&folder.paths, &person, &diag), DA_E_LOCKED);
	assert_string_equal(diag.text, "locked");
	assert_int_equal(
	    da_person_load(&folder.paths, "alice", &in, &diag), DA_OK);
	assert_true(in.locked);
	da_person_done(&in);
	da_person_done(&person);
}

/* G1: who holds the lock for ever delays the others and does not hang them. */
static void
test_person_lock_held_for_ever(void **state)
{
	struct da_person person, in;
	int fd;

	(void)state;
	make_person(&person, "alice", "1");
	assert_int_equal(da_person_save(&folder.paths, &person, &diag), DA_OK);
	fd = open(in_folder("people/.lock"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	person.verified_at_s++;
	(void)alarm(60); /* rather than ctest's patience */
	assert_int_equal(
	    da_person_save(&folder.paths, &person, &diag), DA_E_TIMEOUT);
	(void)alarm(0);
	assert_non_null(
	    strstr(diag.text, "/people: another process keeps it locked"));
	assert_int_equal(
	    da_person_load(&folder.paths, "alice", &in, &diag), DA_OK);
	assert_int_equal(in.verified_at_s, person.verified_at_s - 1);
	da_person_done(&in);
	(void)close(fd);
	assert_int_equal(da_person_save(&folder.paths, &person, &diag), DA_OK);
	da_person_done(&person);
}

static void
test_person_damaged(void **state)
{
	char digest[DA_RECORD_DIGEST_LEN + 1], name[64];
	struct da_person person;
	int dir;

	(void)state;
	make_person(&person, "alice", "1");
	assert_int_equal(da_person_save(&folder.paths, &person, &diag), DA_OK);
	da_person_done(&person);
	assert_int_equal(
	    da_record_digest((const char *const[]){"alice"}, 1, digest), DA_OK);
	(void)snprintf(name, sizeof(name), "people/%s.person", digest);
	test_folder_write(&folder, name, 0600, "devauth-person=1\nname=ali");
	assert_int_equal(da_person_load(&folder.paths, "alice", &person, &diag),
	    DA_E_SYNTAX);
	/* A damaged record is no licence to pin the name anew. */
	make_person(&person, "alice", "1");
	dir = open_root();
	assert_int_equal(
	    da_person_save(&folder.paths, &person, &diag), DA_E_SYNTAX);
	da_person_done(&person);
	(void)close(dir);
}

/* --- what an administrator does --- */

static enum da_err
put(const struct da_person *person)
{
	DA_CLEANUP(da_people_close) struct da_people people;
	enum da_err err = da_people_open(&folder.paths, &people, &diag);

	return err == DA_OK ? da_people_put(&people, person, &diag) : err;
}

static enum da_err
rename_person(const char *name, const char *new_name)
{
	DA_CLEANUP(da_people_close) struct da_people people;
	enum da_err err = da_people_open(&folder.paths, &people, &diag);

	return err == DA_OK ? da_people_rename(&people, name, new_name, &diag)
			    : err;
}

static enum da_err
drop(const char *name)
{
	DA_CLEANUP(da_people_close) struct da_people people;
	enum da_err err = da_people_open(&folder.paths, &people, &diag);

	return err == DA_OK ? da_people_drop(&people, name, &diag) : err;
}

static enum da_err
save(const char *name, const char *subject)
{
	struct da_person person;
	enum da_err err;

	make_person(&person, name, subject);
	err = da_person_save(&folder.paths, &person, &diag);
	da_person_done(&person);
	return err;
}

static struct da_person
load(const char *name)
{
	struct da_person person;

	assert_int_equal(
	    da_person_load(&folder.paths, name, &person, &diag), DA_OK);
	return person;
}

/* The name that the identity has, "" for none. */
static const char *
name_of(const char *subject)
{
	static char name[DA_USER_MAX + 1];

	name[0] = '\0';
	if (da_person_name_of(&folder.paths, "https://login.example.com",
		subject, name, &diag) != DA_OK)
		name[0] = '\0';
	return name;
}

/* A sign-in takes nothing back of what an administrator decided. */
static void
test_person_keeps_choices(void **state)
{
	struct da_person person, in;

	(void)state;
	make_person(&person, "alice", "1");
	(void)snprintf(person.home, sizeof(person.home), "/srv/a");
	(void)snprintf(person.shell, sizeof(person.shell), "/bin/sh");
	assert_int_equal(put(&person), DA_OK);
	person.home[0] = person.shell[0] = '\0';
	person.uid = 0;
	person.verified_at_s++;
	assert_int_equal(da_person_save(&folder.paths, &person, &diag), DA_OK);
	assert_int_equal(person.uid, 1900000000);
	in = load("alice");
	assert_string_equal(in.home, "/srv/a");
	assert_string_equal(in.shell, "/bin/sh");
	assert_int_equal(in.uid, 1900000000);
	assert_int_equal(in.verified_at_s, person.verified_at_s);
	person.uid = 70001; /* as the account has it */
	assert_int_equal(da_person_save(&folder.paths, &person, &diag), DA_OK);
	da_person_done(&in);
	in = load("alice");
	assert_int_equal(in.uid, 70001);
	da_person_done(&in);
	da_person_done(&person);
}

/* A lock may be there before anybody of that name is. */
static void
test_lock_without_pin(void **state)
{
	struct da_person person, in;

	(void)state;
	da_person_init(&person);
	(void)snprintf(person.name, sizeof(person.name), "alice");
	person.locked = true;
	assert_int_equal(put(&person), DA_OK);
	in = load("alice");
	assert_true(in.locked && da_person_is_barred(&in));
	assert_string_equal(in.issuer, "");
	da_person_done(&in);
	assert_int_equal(save("alice", "1"), DA_E_LOCKED);
	assert_string_equal(name_of("1"), "");
	person.locked = false;
	assert_int_equal(put(&person), DA_OK);
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_string_equal(name_of("1"), "alice");
	assert_int_equal(save("alice", "2"), DA_E_PIN);
	da_person_done(&person);
}

static void
test_removed_and_renamed_are_barred(void **state)
{
	static const enum da_person_state states[] = {
	    DA_PERSON_REMOVED, DA_PERSON_RENAMED};
	struct da_person person, in;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(states); i++) {
		make_person(&person, "alice", "1");
		person.state = states[i];
		assert_int_equal(put(&person), DA_OK);
		in = load("alice");
		assert_int_equal(in.state, states[i]);
		assert_true(da_person_is_barred(&in));
		da_person_done(&in);
		assert_int_equal(save("alice", "1"), DA_E_LOCKED);
		assert_string_equal(diag.text, "removed");
		da_person_done(&person);
	}
}

/* Another identity for a name: the former one is free then. */
static void
test_people_relink(void **state)
{
	struct da_person person;

	(void)state;
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_int_equal(save("bob", "2"), DA_OK);
	make_person(&person, "alice", "2");
	assert_int_equal(put(&person), DA_E_PIN);
	assert_non_null(strstr(diag.text, "known here as bob"));
	assert_string_equal(name_of("1"), "alice");
	da_person_done(&person);
	make_person(&person, "alice", "3");
	assert_int_equal(put(&person), DA_OK);
	assert_string_equal(name_of("1"), "");
	assert_string_equal(name_of("3"), "alice");
	assert_int_equal(save("alice", "1"), DA_E_PIN);
	assert_non_null(strstr(diag.text, "devauth accounts relink alice"));
	assert_int_equal(save("alicia", "1"), DA_OK);
	da_person_done(&person);
}

static void
test_people_rename(void **state)
{
	struct da_person person;

	(void)state;
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_int_equal(save("bob", "2"), DA_OK);
	assert_int_equal(rename_person("alice", "bob"), DA_E_PIN);
	assert_int_equal(save("alicia", "1"), DA_E_PIN);
	assert_non_null(
	    strstr(diag.text, "devauth accounts rename alice alicia"));
	/* A lock on the name that is to come. */
	da_person_init(&person);
	(void)snprintf(person.name, sizeof(person.name), "alicia");
	person.locked = true;
	assert_int_equal(put(&person), DA_OK);
	da_person_done(&person);
	for (int i = 0; i < 2; i++) { /* the second time does nothing */
		assert_int_equal(rename_person("alice", "alicia"), DA_OK);
		person = load("alicia");
		assert_string_equal(person.subject, "1");
		assert_int_equal(person.uid, 1900000000);
		assert_int_equal(person.groups.len, 10);
		assert_int_equal(person.state, DA_PERSON_ACTIVE);
		assert_true(person.locked);
		da_person_done(&person);
		person = load("alice");
		assert_int_equal(person.state, DA_PERSON_RENAMED);
		assert_int_equal(person.uid, 1900000000);
		assert_string_equal(person.issuer, "");
		da_person_done(&person);
		assert_string_equal(name_of("1"), "alicia");
	}
	assert_int_equal(save("alice", "3"), DA_E_LOCKED);
	/* And back again. */
	assert_int_equal(rename_person("alicia", "alice"), DA_OK);
	assert_string_equal(name_of("1"), "alice");
	assert_int_equal(rename_person("nobody", "else"), DA_OK);
}

static void
file_of(const char *name, char *ret, size_t size)
{
	char digest[DA_RECORD_DIGEST_LEN + 1];

	assert_int_equal(
	    da_record_digest((const char *const[]){name}, 1, digest), DA_OK);
	(void)snprintf(ret, size, "people/%s.person", digest);
}

/* A crash before the last write, or before the last two: whoever signs in is
 * let in by one name at most, and the same again finishes it. */
static void
test_people_rename_cut_short(void **state)
{
	char old[64], new[64], record[1024] = "";
	struct da_person person;
	FILE *file;

	(void)state;
	file_of("alice", old, sizeof(old));
	file_of("alicia", new, sizeof(new));
	for (int lost = 1; lost <= 2; lost++) {
		assert_int_equal(save("alice", "1"), DA_OK);
		file = fopen(in_folder(old), "re");
		assert_non_null(file);
		record[fread(record, 1, sizeof(record) - 1, file)] = '\0';
		(void)fclose(file);
		assert_int_equal(rename_person("alice", "alicia"), DA_OK);
		test_folder_write(&folder, old, 0600, record);
		if (lost == 2)
			assert_int_equal(unlink(in_folder(new)), 0);
		assert_int_equal(save("alice", "1"), DA_E_PIN);
		assert_int_equal(rename_person("alice", "alicia"), DA_OK);
		assert_int_equal(save("alicia", "1"), DA_OK);
		person = load("alice");
		assert_int_equal(person.state, DA_PERSON_RENAMED);
		da_person_done(&person);
		assert_int_equal(drop("alice"), DA_OK);
		assert_int_equal(drop("alicia"), DA_OK);
	}
}

static void
test_people_drop(void **state)
{
	struct da_person person;

	(void)state;
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_int_equal(drop("alice"), DA_OK);
	assert_int_equal(drop("alice"), DA_OK);
	assert_int_equal(da_person_load(&folder.paths, "alice", &person, &diag),
	    DA_E_ABSENT);
	assert_string_equal(name_of("1"), "");
	assert_int_equal(save("alicia", "1"), DA_OK);
}

struct visits {
	size_t good, bad;
	char names[64];
};

static enum da_err
visit(void *context, const struct da_person *person, const char *complaint)
{
	struct visits *visits = context;

	assert_true((person == NULL) == (complaint != NULL));
	if (person == NULL) {
		visits->bad++;
		assert_non_null(strstr(complaint, "/people/"));
		return DA_OK;
	}
	visits->good++;
	assert_true(strlen(visits->names) + strlen(person->name) <
	    sizeof(visits->names));
	(void)strcat(visits->names, person->name);
	return strcmp(person->name, "stop") == 0 ? DA_E_NOMEM : DA_OK;
}

static struct visits
visit_all(enum da_err expected)
{
	struct visits visits = {0};

	assert_int_equal(
	    da_people_each(&folder.paths, visit, &visits, &diag), expected);
	return visits;
}

static void
test_people_each(void **state)
{
	struct visits visits;

	(void)state;
	assert_int_equal(visit_all(DA_OK).good, 0);
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_int_equal(save("bob", "2"), DA_OK);
	visits = visit_all(DA_OK);
	assert_int_equal(visits.good, 2);
	assert_int_equal(visits.bad, 0);
	assert_non_null(strstr(visits.names, "alice"));
	assert_non_null(strstr(visits.names, "bob"));
	/* Torn, of another name, open to others, and no record at all. */
	test_folder_write(&folder,
	    "people/00000000000000000000000000000000.person", 0600,
	    "devauth-person=1\nname=ali");
	test_folder_write(&folder,
	    "people/00000000000000000000000000000001.person", 0600,
	    "devauth-person=1\nname=carol\nprofile=\nissuer=\nsubject=\n"
	    "uid=0\nlocked=1\nverified_at=0\nstate=0\n");
	test_folder_write(&folder,
	    "people/00000000000000000000000000000002.person", 0644, "x\n");
	test_folder_write(&folder, "people/short.person", 0600, "x\n");
	visits = visit_all(DA_OK);
	assert_int_equal(visits.good, 2);
	assert_int_equal(visits.bad, 3);
	assert_int_equal(save("stop", "3"), DA_OK);
	(void)visit_all(DA_E_NOMEM);
	assert_int_equal(chmod(folder.paths.people_dir, 0777), 0);
	(void)visit_all(DA_E_UNSAFE_FILE);
}

static size_t
sweep(bool remove)
{
	DA_CLEANUP(da_people_close) struct da_people people;
	size_t count = 99;

	assert_int_equal(da_people_open(&folder.paths, &people, &diag), DA_OK);
	assert_int_equal(da_people_sweep(&folder.paths, remove ? &people : NULL,
			     &count, &diag),
	    DA_OK);
	return count;
}

static void
test_people_sweep(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_int_equal(sweep(false), 0);
	/* To somebody who is not there, and to somebody else's name. */
	test_folder_write(&folder,
	    "people/00000000000000000000000000000000.subject", 0600,
	    "devauth-subject=1\nname=nobody\n");
	test_folder_write(&folder,
	    "people/00000000000000000000000000000001.subject", 0600,
	    "devauth-subject=1\nname=alice\n");
	test_folder_write(&folder,
	    "people/00000000000000000000000000000002.subject", 0600, "x");
	assert_int_equal(sweep(false), 3);
	assert_int_equal(sweep(true), 3);
	assert_int_equal(sweep(false), 0);
	assert_string_equal(name_of("1"), "alice");
	/* Of a damaged record it is all that is left. */
	file_of("alice", name, sizeof(name));
	test_folder_write(&folder, name, 0600, "x");
	assert_int_equal(sweep(true), 0);
	assert_string_equal(name_of("1"), "alice");
}

#define ISSUER "https://login.example.com"

static bool
is_withdrawn(const char *name)
{
	struct da_person person = load(name);
	bool withdrawn = person.withdrawn;

	da_person_done(&person);
	return withdrawn;
}

static enum da_err
withdraw(const char *name, const char *subject)
{
	return da_people_withdraw(&folder.paths, name, ISSUER, subject, &diag);
}

/* The mark stays with the person, until a sign-in or the provider's word. */
static void
test_people_withdraw(void **state)
{
	struct da_person person;

	(void)state;
	assert_int_equal(withdraw("alice", "1"), DA_E_ABSENT);
	assert_int_equal(save("alice", "1"), DA_OK);
	assert_int_equal(withdraw("alice", "2"), DA_E_PIN);
	assert_false(is_withdrawn("alice"));
	assert_int_equal(withdraw("alice", "1"), DA_OK);
	assert_int_equal(withdraw("alice", "1"), DA_OK);
	assert_true(is_withdrawn("alice"));
	person = load("alice");
	person.locked = true;
	assert_int_equal(put(&person), DA_OK);
	person.locked = false;
	assert_int_equal(put(&person), DA_OK);
	assert_int_equal(rename_person("alice", "alicia"), DA_OK);
	assert_true(is_withdrawn("alicia"));
	assert_false(is_withdrawn("alice"));
	/* An older word does not count. */
	assert_int_equal(da_people_note_check(&folder.paths, "alicia", ISSUER,
			     "1", person.verified_at_s, &diag),
	    DA_OK);
	assert_true(is_withdrawn("alicia"));
	assert_int_equal(da_people_note_check(&folder.paths, "alicia", ISSUER,
			     "1", person.verified_at_s + 1, &diag),
	    DA_OK);
	assert_false(is_withdrawn("alicia"));
	assert_int_equal(withdraw("alicia", "1"), DA_OK);
	assert_int_equal(save("alicia", "1"), DA_OK);
	assert_false(is_withdrawn("alicia"));
	assert_int_equal(withdraw("alicia", "1"), DA_OK);
	assert_int_equal(drop("alicia"), DA_OK);
	assert_int_equal(save("alicia", "1"), DA_OK);
	assert_false(is_withdrawn("alicia"));
	da_person_done(&person);
}

static int
withdraw_child(void *argument)
{
	(void)argument;
	return withdraw("alice", "1") == DA_OK ? 0 : 1;
}

/* F9: one place or the other takes the mark; the sweep brings it to the disk.
 */
static void
test_withdrawn_on_a_failing_disk(void **state)
{
	struct test_fault fault = {.verdict = EIO};

	(void)state;
	assert_int_equal(save("alice", "1"), DA_OK);
	do {
		int status = test_fault_run(
		    &fault, test_fault_change, withdraw_child, NULL);

		assert_int_equal(status, 0);
		assert_true(is_withdrawn("alice"));
		assert_int_equal(
		    da_withdrawn_settle(&folder.paths, &diag), DA_OK);
		assert_true(
		    rmdir(folder.paths.marks_dir) == 0 || errno == ENOENT);
		assert_true(is_withdrawn("alice"));
		assert_int_equal(save("alice", "1"), DA_OK);
		assert_false(is_withdrawn("alice"));
	} while (test_fault_next(&fault));
	assert_true(fault.at > 4);
}

static void
test_grant(void **state)
{
	struct da_grant out, in;
	char id[DA_GRANT_MAX + 1];

	(void)state;
	da_grant_init(&out);
	da_person_done(&out.person);
	make_person(&out.person, "alice", "1");
	assert_int_equal(
	    da_buf_put(&out.person.claims, "role=a\0role=b", 14), DA_OK);
	(void)snprintf(out.account, sizeof(out.account), "deploy");
	out.local = true;
	(void)snprintf(out.service, sizeof(out.service), "sshd");
	(void)snprintf(out.gecos, sizeof(out.gecos), "Alice");
	(void)snprintf(out.home, sizeof(out.home), "/srv/alice");
	(void)snprintf(out.shell, sizeof(out.shell), "/bin/sh");
	assert_int_equal(
	    da_grant_create(&folder.paths, NULL, &out, id, &diag), DA_OK);
	assert_int_equal(
	    da_grant_load(&folder.paths, NULL, id, "alice", "sshd", &in, &diag),
	    DA_E_GRANT);
	assert_int_equal(da_grant_load(&folder.paths, NULL, id, "deploy",
			     "sudo", &in, &diag),
	    DA_E_GRANT);
	assert_int_equal(da_grant_load(&folder.paths, NULL, "../../etc/passwd",
			     "deploy", "sshd", &in, &diag),
	    DA_E_GRANT);
	assert_int_equal(da_grant_load(&folder.paths, NULL,
			     "00000000000000000000000000000000", "deploy",
			     "sshd", &in, &diag),
	    DA_E_GRANT);
	assert_int_equal(da_grant_load(&folder.paths, NULL, id, "deploy",
			     "sshd", &in, &diag),
	    DA_OK);
	assert_string_equal(in.gecos, "Alice");
	assert_string_equal(in.home, "/srv/alice");
	assert_string_equal(in.shell, "/bin/sh");
	assert_string_equal(in.person.subject, "1");
	assert_int_equal(in.person.groups.len, 10);
	assert_int_equal(in.person.claims.len, 14);
	assert_memory_equal(in.person.claims.bytes, "role=a\0role=b", 14);
	assert_string_equal(in.person.name, "alice");
	assert_true(in.local);
	da_grant_done(&in);
	assert_int_equal(da_grant_consume(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(
	    da_grant_consume(&folder.paths, id, &diag), DA_E_GRANT);
	assert_int_equal(da_grant_load(&folder.paths, NULL, id, "deploy",
			     "sshd", &in, &diag),
	    DA_E_GRANT);
	da_grant_done(&out);
}

/* What a power cut may leave of a file that nobody synced. */
static void
test_cache_cut_short(void **state)
{
	const char *text = "{\"keys\":[]}";
	char digest[DA_RECORD_DIGEST_LEN + 1], path[256];
	struct da_buf document;
	struct stat st;

	(void)state;
	da_buf_init(&document, 100);
	assert_int_equal(da_buf_put_text(&document, text), DA_OK);
	assert_int_equal(da_cache_save(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1000, 600, &document, &diag),
	    DA_OK);
	assert_int_equal(
	    da_record_digest((const char *const[]){"https://a"}, 1, digest),
	    DA_OK);
	(void)snprintf(
	    path, sizeof(path), "%s/%s.jwks", folder.paths.cache_dir, digest);
	assert_int_equal(stat(path, &st), 0);
	for (off_t len = st.st_size - 1; len >= 0; len--) {
		struct da_buf loaded;
		enum da_err err;

		da_buf_init(&loaded, 100);
		assert_int_equal(truncate(path, len), 0);
		err = da_cache_load(&folder.paths, DA_CACHE_JWKS, "https://a",
		    1000, &loaded, &diag);
		if (err == DA_OK)
			assert_memory_equal(loaded.bytes, text, loaded.len);
		else
			assert_int_equal(err, DA_E_ABSENT);
		assert_true(loaded.len < strlen(text));
		da_buf_done(&loaded);
	}
	da_buf_done(&document);
}

static void
test_cache(void **state)
{
	struct da_buf document, loaded;

	(void)state;
	da_buf_init(&document, 100);
	da_buf_init(&loaded, 100);
	assert_int_equal(da_buf_put_text(&document, "{\n\n}"), DA_OK);
	assert_int_equal(da_cache_save(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1000, 600, &document, &diag),
	    DA_OK);
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1600, &loaded, &diag),
	    DA_OK);
	assert_string_equal(da_buf_text(&loaded), "{\n\n}");
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1601, &loaded, &diag),
	    DA_E_ABSENT);
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 999, &loaded, &diag),
	    DA_E_ABSENT);
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://b", 1000, &loaded, &diag),
	    DA_E_ABSENT);
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_METADATA,
			     "https://a", 1000, &loaded, &diag),
	    DA_E_ABSENT);
	/* 5 minutes at least, one day at most. */
	assert_int_equal(da_cache_save(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1000, 0, &document, &diag),
	    DA_OK);
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1300, &loaded, &diag),
	    DA_OK);
	assert_int_equal(da_cache_save(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1000, INT64_MAX, &document, &diag),
	    DA_OK);
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1000 + 86401, &loaded, &diag),
	    DA_E_ABSENT);
	da_cache_drop(&folder.paths, "https://a");
	assert_int_equal(da_cache_load(&folder.paths, DA_CACHE_JWKS,
			     "https://a", 1000, &loaded, &diag),
	    DA_E_ABSENT);
	da_buf_done(&document);
	da_buf_done(&loaded);
}

int
main(void)
{
#define TEST(f) TEST_IN_FOLDER(f, folder)
	const struct CMUnitTest tests[] = {
	    TEST(test_file_refuses),
	    TEST(test_file_refuses_parents),
	    TEST(test_file_replace),
	    TEST(test_person_round_trip),
	    TEST(test_person_pin),
	    TEST(test_person_locked_meanwhile),
	    TEST(test_person_lock_held_for_ever),
	    TEST(test_person_damaged),
	    TEST(test_person_keeps_choices),
	    TEST(test_lock_without_pin),
	    TEST(test_removed_and_renamed_are_barred),
	    TEST(test_people_relink),
	    TEST(test_people_rename),
	    TEST(test_people_rename_cut_short),
	    TEST(test_people_drop),
	    TEST(test_people_each),
	    TEST(test_people_sweep),
	    TEST(test_people_withdraw),
	    TEST(test_withdrawn_on_a_failing_disk),
	    TEST(test_grant),
	    TEST(test_cache),
	    TEST(test_cache_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
