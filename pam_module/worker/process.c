#include "worker/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* A login needs 12 ms; what runs for seconds is somebody else's program. */
#define CPU_MAX_S 10
/* Libraries and data map 20 MB, of which a login touches 12. */
#define ADDRESS_SPACE_MAX (128 * 1024 * 1024)
#define DATA_MAX (32 * 1024 * 1024)
/* Socket, curl's wake-up pair, connections, resolver and CA files. */
#define DESCRIPTORS_MAX 32

static bool
has_one_unprivileged_id(void)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	return getresuid(&ruid, &euid, &suid) == 0 &&
	    getresgid(&rgid, &egid, &sgid) == 0 && ruid != 0 && rgid != 0 &&
	    ruid == euid && euid == suid && rgid == egid && egid == sgid &&
	    getgroups(0, NULL) == 0;
}

static bool
has_no_capability(void)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	for (size_t i = 0; i < DA_ARRAY_LEN(data); i++) {
		if (data[i].effective != 0 || data[i].permitted != 0 ||
		    data[i].inheritable != 0)
			return false;
	}
	return true;
}

static bool
has_broker_socket(void)
{
	int domain = 0, type = 0;
	socklen_t domain_len = sizeof(domain), type_len = sizeof(type);

	return getsockopt(DA_WORKER_SOCKET, SOL_SOCKET, SO_DOMAIN, &domain,
		   &domain_len) == 0 &&
	    getsockopt(
		DA_WORKER_SOCKET, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
	    domain == AF_UNIX && type == SOCK_STREAM;
}

enum da_err
da_process_check(int argc)
{
	for (int fd = 0; fd < DA_WORKER_SOCKET; fd++) {
		/* Or a socket of ours would become "standard error". */
		if (fcntl(fd, F_GETFD) < 0)
			return DA_E_BUG;
	}
	if (argc != 1 || !has_broker_socket() || !has_one_unprivileged_id() ||
	    !has_no_capability())
		return DA_E_BUG;
	if (close_range(DA_WORKER_SOCKET + 1, ~0u, 0) != 0)
		return DA_E_BUG;
	return DA_OK;
}

/* Ignored and blocked signals survive exec; SIGALRM and SIGIO must end us. */
static enum da_err
reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL); /* KILL and STOP cannot */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigemptyset(&none) != 0 ||
	    sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		return DA_E_SYS;
	return DA_OK;
}

static enum da_err
set_limits(void)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t max;
	} limits[] = {
	    {RLIMIT_CORE, 0},  /* secrets stay in memory */
	    {RLIMIT_FSIZE, 0}, /* writes nothing */
	    {RLIMIT_NPROC, 0}, /* starts nothing, not even a thread */
	    {RLIMIT_MEMLOCK, 0},
	    {RLIMIT_MSGQUEUE, 0},
	    {RLIMIT_NOFILE, DESCRIPTORS_MAX},
	    {RLIMIT_CPU, CPU_MAX_S},
	    {RLIMIT_AS, ADDRESS_SPACE_MAX},
	    {RLIMIT_DATA, DATA_MAX},
	};

	for (size_t i = 0; i < DA_ARRAY_LEN(limits); i++) {
		struct rlimit limit = {limits[i].max, limits[i].max};

		if (setrlimit(limits[i].resource, &limit) != 0)
			return DA_E_SYS;
	}
	return DA_OK;
}

enum da_err
da_process_confine(void)
{
	pid_t parent = getppid();

	if (clearenv() != 0 || chdir("/") != 0)
		return DA_E_SYS;
	(void)umask(077); /* cannot fail */
	if (reset_signals() != DA_OK || set_limits() != DA_OK)
		return DA_E_SYS;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return DA_E_SYS;
	/* It may have died before the kernel was told; dead before "parent" was
	 * read, it shows as the end of the socket. */
	return getppid() == parent ? DA_OK : DA_E_CLOSED;
}

enum da_err
da_process_set_alarm(int64_t after_ms)
{
	struct itimerval timer = {
	    .it_value = {.tv_sec = after_ms / 1000,
		.tv_usec = after_ms % 1000 * 1000},
	};

	return setitimer(ITIMER_REAL, &timer, NULL) == 0 ? DA_OK : DA_E_SYS;
}

enum da_err
da_process_watch(bool on)
{
	struct pollfd now = {.fd = DA_WORKER_SOCKET, .events = POLLIN};
	int flags = fcntl(DA_WORKER_SOCKET, F_GETFL);

	if (flags < 0 || fcntl(DA_WORKER_SOCKET, F_SETOWN, getpid()) != 0 ||
	    fcntl(DA_WORKER_SOCKET, F_SETFL,
		on ? flags | O_ASYNC : flags & ~O_ASYNC) != 0)
		return DA_E_SYS;
	/* What came before raised no signal. */
	if (on && poll(&now, 1, 0) != 0)
		return DA_E_CANCELLED;
	return DA_OK;
}
