#include "host_program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/file.h"

#define TITLE_MAX 4096

bool
da_host_program_is_sshd_conversation(void)
{
	static const char mark[] = " [pam]";
	DA_CLEANUP(da_file_closep)
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char title[TITLE_MAX];
	ssize_t len;

	if (fd < 0)
		return false;
	do {
		len = read(fd, title, sizeof(title));
	} while (len < 0 && errno == EINTR);
	/* setproctitle() leaves the rest of the old arguments as NULs. */
	while (len > 0 && title[len - 1] == '\0')
		len--;
	return len >= (ssize_t)sizeof(mark) - 1 &&
	    memcmp(title + len - (sizeof(mark) - 1), mark, sizeof(mark) - 1) ==
	    0;
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
