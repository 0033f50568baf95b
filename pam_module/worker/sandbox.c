#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/file.h"

/* Where update-ca-certificates leads: the folder of hashes holds links to the
 * certificates themselves. */
static const char *const ca_folders[] = {
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
};

/* Every right to files of the kernel's interface version 1, and what later
 * versions added (Debian 12's headers end at version 2). */
#define FS_RIGHTS_V1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define NET_BIND_TCP UINT64_C(1)
#define SCOPE_ABSTRACT_UNIX_SOCKET UINT64_C(1)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

/* struct landlock_ruleset_attr as of interface version 6. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

static struct ruleset
ruleset_for(long version)
{
	struct ruleset ruleset = {.fs = FS_RIGHTS_V1};

	if (version >= 2)
		ruleset.fs |= FS_REFER;
	if (version >= 3)
		ruleset.fs |= FS_TRUNCATE;
	if (version >= 4)
		ruleset.net = NET_BIND_TCP;
	if (version >= 5)
		ruleset.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		ruleset.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	return ruleset;
}

/* A kernel takes a longer struct than its own as long as the rest is zero. */
static enum da_err
allow_reading(int rules, const char *folder)
{
	struct landlock_path_beneath_attr beneath = {
	    .allowed_access =
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	};
	DA_CLEANUP(da_file_closep) int fd = open(folder, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? DA_OK : DA_E_SYS;
	beneath.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
		&beneath, 0) != 0)
		return DA_E_SYS;
	return DA_OK;
}

/* Best effort by design: seccomp alone lets the CA folder's openat() open any
 * world-readable file, Landlock narrows that down. A kernel without it is
 * fine; one that has it and fails is not. */
static enum da_err
enter_landlock(bool ca_folder)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset ruleset = ruleset_for(version);
	DA_CLEANUP(da_file_closep) int rules = -1;
	enum da_err err = DA_OK;

	if (version < 1)
		return DA_OK;
	rules = (int)syscall(
	    SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (rules < 0)
		return DA_E_SYS;
	for (size_t i = 0; ca_folder && i < DA_ARRAY_LEN(ca_folders); i++) {
		if (err == DA_OK)
			err = allow_reading(rules, ca_folders[i]);
	}
	if (err == DA_OK && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
		err = DA_E_SYS;
	return err;
}

/* What libcurl, OpenSSL and glibc do between the lock and the end. */
static const int allowed[] = {
    /* the two conversations */
    SCMP_SYS(connect),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* descriptors that are open */
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(newfstatat),
    SCMP_SYS(read),
    SCMP_SYS(write),
    /* memory, without making anything executable (see below) */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    /* time, chance, and the process itself */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
};

static int
add_calls(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < DA_ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	return r;
}

/* mmap and mprotect without PROT_EXEC; fcntl for flags; TCP sockets only. */
static int
add_conditions(scmp_filter_ctx filter)
{
	static const int mappings[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	static const unsigned int commands[] = {
	    F_GETFL, F_SETFL, F_GETFD, F_SETFD};
	static const unsigned int families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; r == 0 && i < DA_ARRAY_LEN(mappings); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, mappings[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	for (size_t i = 0; r == 0 && i < DA_ARRAY_LEN(commands); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
		    SCMP_A1(SCMP_CMP_EQ, commands[i], 0));
	for (size_t i = 0; r == 0 && i < DA_ARRAY_LEN(families); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
		    2, SCMP_A0(SCMP_CMP_EQ, families[i], 0),
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
	return r;
}

/* Opening to read. Landlock says what. */
static int
add_open(scmp_filter_ctx filter)
{
	const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
}

static enum da_err
enter_seccomp(bool ca_folder)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (filter == NULL)
		return DA_E_SYS;
	r = seccomp_attr_set(
	    filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_calls(filter);
	if (r == 0)
		r = add_conditions(filter);
	if (r == 0 && ca_folder)
		r = add_open(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r == 0 ? DA_OK : DA_E_SYS;
}

enum da_err
da_sandbox_enter(bool ca_folder)
{
	enum da_err err = enter_landlock(ca_folder);

	return err != DA_OK ? err : enter_seccomp(ca_folder);
}
