#include "folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static const char *
path(struct test_folder *folder, size_t i, const char *name)
{
	(void)snprintf(folder->texts[i], sizeof(folder->texts[i]), "%s/%s",
	    folder->root, name);
	return folder->texts[i];
}

void
test_folder_init(struct test_folder *folder)
{
	test_folder_init_in(folder, "/tmp");
}

void
test_folder_init_in(struct test_folder *folder, const char *parent)
{
	memset(folder, 0, sizeof(*folder));
	(void)snprintf(folder->root, sizeof(folder->root),
	    "%s/devauth-unit-XXXXXX", parent);
	assert_non_null(mkdtemp(folder->root));
	folder->paths = (struct da_paths){
	    .config_file = path(folder, 0, "devauth.conf"),
	    .passwd_file = path(folder, 1, "passwd"),
	    .group_file = path(folder, 2, "group"),
	    .state_dir = path(folder, 3, "state"),
	    .people_dir = path(folder, 4, "people"),
	    .cache_dir = path(folder, 5, "cache"),
	    .grants_dir = path(folder, 6, "run/grants"),
	    .limits_file = path(folder, 7, "run/limits"),
	    .keys_dir = path(folder, 8, "state/keys"),
	    .tokens_dir = path(folder, 9, "state/tokens"),
	    .sessions_dir = path(folder, 10, "run/sessions"),
	    .marks_dir = path(folder, 14, "run/withdrawn"),
	    .machine_id_file = path(folder, 11, "machine-id"),
	    .product_uuid_file = path(folder, 12, "product_uuid"),
	    .proc_dir = path(folder, 13, "proc"),
	    .worker_user = "_devauth",
	    .login_programs = "",
	    .owner = getuid(),
	};
	assert_int_equal(mkdir(folder->paths.state_dir, 0755), 0);
	assert_int_equal(mkdir(folder->paths.people_dir, 0700), 0);
	assert_int_equal(mkdir(folder->paths.cache_dir, 0700), 0);
	test_folder_write(
	    folder, "passwd", 0644, "root:x:0:0::/root:/bin/sh\n");
	test_folder_write(folder, "group", 0644, "root:x:0:\n");
}

void
test_folder_done(struct test_folder *folder)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder->root);
	assert_int_equal(system(command), 0);
}

int
test_folder_set_up(void **state)
{
	test_folder_init(*state);
	return 0;
}

int
test_folder_tear_down(void **state)
{
	test_folder_done(*state);
	return 0;
}

void
test_folder_write(const struct test_folder *folder, const char *name,
    unsigned int mode, const char *text)
{
	char file[160];
	int fd;

	(void)snprintf(file, sizeof(file), "%s/%s", folder->root, name);
	(void)unlink(file);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}
