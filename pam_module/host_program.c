#include "host_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

#define TITLE_MAX 4096
/* sshd's connection is among its first descriptors. */
#define CONNECTION_MAX 64
/* How long the death of sshd's monitor may go unnoticed. */
#define TICK_MS 300

/* The arguments, a NUL behind each; how long they are. */
static size_t
read_arguments(char *ret, size_t size)
{
	DA_CLEANUP(da_file_closep)
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t len;

	if (fd < 0)
		return 0;
	do {
		len = read(fd, ret, size - 1);
	} while (len < 0 && errno == EINTR);
	if (len <= 0)
		return 0;
	ret[len] = '\0';
	return (size_t)len;
}

/* The process title, without the NULs that setproctitle() leaves behind it. */
static bool
read_title(char *ret, size_t size)
{
	size_t len = read_arguments(ret, size);

	while (len > 0 && ret[len - 1] == '\0')
		len--;
	if (len == 0)
		return false;
	/* Arguments are separated by NULs; a title is one text, the last. */
	while (len > 0 && ret[len - 1] != '\0')
		len--;
	memmove(ret, ret + len, strlen(ret + len) + 1);
	return true;
}

enum da_host_sshd
da_host_program_sshd(const char *user)
{
	static const char mark[] = " [pam]";
	char title[TITLE_MAX];
	size_t len;
	const char *name;

	if (!read_title(title, sizeof(title)))
		return DA_HOST_SSHD_OTHER;
	len = strlen(title);
	if (len < sizeof(mark) ||
	    strcmp(title + len - (sizeof(mark) - 1), mark) != 0)
		return DA_HOST_SSHD_OTHER;
	title[len - (sizeof(mark) - 1)] = '\0';
	name = strrchr(title, ' ');
	name = name != NULL ? name + 1 : title;
	return strcmp(name, user) == 0 ? DA_HOST_SSHD_CONVERSATION
				       : DA_HOST_SSHD_NOT_ADMITTED;
}

/* Looks for -S in one argument of sudo's. *ret_value: the next one is the value
 * of its last option. */
static bool
has_stdin_option(const char *argument, bool *ret_value)
{
	static const char with_value[] = "aCcDgpRrTtUu";

	*ret_value = false;
	if (argument[1] == '-')
		return strcmp(argument, "--stdin") == 0;
	for (const char *option = argument + 1; *option != '\0'; option++) {
		if (*option == 'S')
			return true;
		if (strchr(with_value, *option) != NULL) {
			*ret_value = option[1] == '\0';
			break;
		}
	}
	return false;
}

bool
da_host_program_is_piped(void)
{
	char arguments[TITLE_MAX];
	const char *end;
	bool is_value = true; /* the program's name */

	if (isatty(STDIN_FILENO))
		return false;
	end = arguments + read_arguments(arguments, sizeof(arguments));
	for (const char *at = arguments; at < end; at += strlen(at) + 1) {
		if (is_value) {
			is_value = false;
		} else if (at[0] == '-' && at[1] != '\0' &&
		    strcmp(at, "--") != 0) {
			if (has_stdin_option(at, &is_value))
				return true;
		} else if (strchr(at, '=') == NULL) {
			break; /* the command */
		}
	}
	return false;
}

bool
da_host_program_has_terminal(unsigned int *ret_rows)
{
	DA_CLEANUP(da_file_closep)
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct winsize size;

	if (fd < 0)
		return false;
	*ret_rows = ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
	return true;
}

static bool
is_network_connection(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	    (peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
}

void
da_host_program_watch(bool is_sshd, struct da_host_watch *ret)
{
	int saved = errno;

	*ret = (struct da_host_watch){.connection = -1};
	if (!is_sshd)
		return;
	ret->parent = getppid();
	for (int fd = 0; fd < CONNECTION_MAX && ret->connection < 0; fd++) {
		if (is_network_connection(fd))
			ret->connection = fd;
	}
	errno = saved;
}

/* The signals that end the host program, as far as it does not ignore them. */
static void
get_ending_signals(sigset_t *ret)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

	(void)sigemptyset(ret);
	for (size_t i = 0; i < DA_ARRAY_LEN(signals); i++) {
		struct sigaction action;

		if (sigaction(signals[i], NULL, &action) == 0 &&
		    action.sa_handler != SIG_IGN)
			(void)sigaddset(ret, signals[i]);
	}
}

static enum da_err
wait_for_any(const struct da_host_watch *watch, int signals, int socket,
    int64_t deadline_mono_ms)
{
	for (;;) {
		struct pollfd fds[3] = {
		    {.fd = socket, .events = POLLIN},
		    {.fd = watch->connection, .events = POLLRDHUP},
		    {.fd = signals, .events = POLLIN},
		};
		int64_t left = deadline_mono_ms - da_clock_mono_ms();

		if (left <= 0)
			return DA_E_TIMEOUT;
		if (watch->parent != 0 && left > TICK_MS)
			left = TICK_MS;
		if (poll(fds, 3, left > 60000 ? 60000 : (int)left) < 0 &&
		    errno != EINTR)
			return DA_E_SYS;
		/* An answer that is here counts: its grant wants to be used up.
		 */
		if (fds[0].revents != 0)
			return DA_OK;
		if (fds[1].revents != 0 || fds[2].revents != 0 ||
		    (watch->parent != 0 && getppid() != watch->parent))
			return DA_E_CANCELLED;
	}
}

enum da_err
da_host_program_wait(
    const struct da_host_watch *watch, int socket, int64_t deadline_mono_ms)
{
	DA_CLEANUP(da_file_closep) int signals = -1;
	sigset_t ending, saved;
	enum da_err err;

	get_ending_signals(&ending);
	signals = signalfd(-1, &ending, SFD_CLOEXEC);
	if (signals < 0 || pthread_sigmask(SIG_BLOCK, &ending, &saved) != 0)
		return DA_E_SYS;
	err = wait_for_any(watch, signals, socket, deadline_mono_ms);
	(void)pthread_sigmask(SIG_SETMASK, &saved, NULL); /* cannot fail */
	return err;
}

void
da_host_program_drop_typed(void)
{
	DA_CLEANUP(da_file_closep)
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	/* In the background it is somebody else's input, and the terminal's
	 * driver would stop us for touching it. */
	if (fd >= 0 && tcgetpgrp(fd) == getpgrp())
		(void)tcflush(fd, TCIFLUSH);
}
