/* fs_name_test.c - the file server's names: making, removing, renaming, links, directories, and the
 * errors Linux has for each mistake. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/test.h"

/* An empty file. */
static void touch(const char *path)
{
    close(files_make(path, 0));
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static unsigned links_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (unsigned)st.st_nlink : 0;
}

static int open_error(const char *path, int flags)
{
    int fd = open(path, flags, 0644);

    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return errno;
}

/* --- open --- */

TEST(a_file_is_made_when_it_is_opened_so)
{
    files_start();
    CHECK_EQ(open_error("a", O_RDONLY), ENOENT);
    CHECK_EQ(open_error("a", O_RDWR | O_CREAT), 0);
    CHECK_EQ(open_error("a", O_RDONLY), 0);
    CHECK_EQ(files_size("a"), 0);
    files_end();
}

TEST(exclusive_creation_refuses_what_is_there)
{
    files_start();
    CHECK_EQ(open_error("a", O_RDWR | O_CREAT | O_EXCL), 0);
    CHECK_EQ(open_error("a", O_RDWR | O_CREAT | O_EXCL), EEXIST);
    CHECK_EQ(symlink("nowhere", "b"), 0);
    CHECK_EQ(open_error("b", O_RDWR | O_CREAT | O_EXCL), EEXIST);
    CHECK(!is_there("nowhere"));
    files_end();
}

TEST(creation_through_a_link_makes_what_it_points_to)
{
    files_start();
    CHECK_EQ(symlink("target", "link"), 0);
    CHECK_EQ(open_error("link", O_RDWR | O_CREAT), 0);
    CHECK(is_there("target"));
    files_end();
}

TEST(opening_with_truncation_empties_the_file)
{
    files_start();
    close(files_make("a", 10000));
    CHECK_EQ(files_size("a"), 10000);
    CHECK_EQ(open_error("a", O_WRONLY | O_TRUNC), 0);
    CHECK_EQ(files_size("a"), 0);
    files_end();
}

TEST(a_directory_cannot_be_written)
{
    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(open_error("d", O_WRONLY), EISDIR);
    CHECK_EQ(open_error("d", O_RDWR | O_CREAT), EISDIR);
    CHECK_EQ(open_error("d", O_RDONLY | O_DIRECTORY), 0);
    touch("a");
    CHECK_EQ(open_error("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
    files_end();
}

TEST(a_file_is_no_directory_on_a_path)
{
    files_start();
    touch("a");
    CHECK_EQ(open_error("a/b", O_RDONLY), ENOTDIR);
    CHECK_EQ(open_error("a/b", O_RDWR | O_CREAT), ENOTDIR);
    CHECK_EQ(open_error("a/", O_RDONLY), ENOTDIR);
    CHECK_EQ(open_error("a/..", O_RDONLY), ENOTDIR);
    CHECK_EQ(files_error(mkdir("a/b", 0755)), ENOTDIR);
    CHECK_EQ(files_error(unlink("a/b")), ENOTDIR);
    CHECK_EQ(files_error(rename("a/b", "c")), ENOTDIR);
    files_end();
}

TEST(names_may_be_long_and_not_longer)
{
    char name[300];

    files_start();
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    CHECK_EQ(open_error(name, O_RDWR | O_CREAT), 0);
    CHECK(is_there(name));
    CHECK_EQ(unlink(name), 0);
    name[255] = 'n';
    name[256] = '\0';
    CHECK_EQ(open_error(name, O_RDWR | O_CREAT), ENAMETOOLONG);
    CHECK_EQ(open_error(name, O_RDONLY), ENAMETOOLONG);
    CHECK_EQ(files_error(mkdir(name, 0755)), ENAMETOOLONG);
    files_end();
}

TEST(the_archive_cannot_be_changed)
{
    CHECK_EQ(open_error("/bin/new", O_RDWR | O_CREAT), EROFS);
    CHECK_EQ(open_error("/bin/ls", O_RDWR), EROFS);
    CHECK_EQ(open_error("/bin/ls", O_RDONLY | O_TRUNC), EROFS);
    CHECK_EQ(files_error(unlink("/bin/ls")), EROFS);
    CHECK_EQ(files_error(mkdir("/bin/d", 0755)), EROFS);
    CHECK_EQ(files_error(chmod("/bin/ls", 0)), EROFS);
    CHECK_EQ(files_error(truncate("/bin/ls", 0)), EROFS);
    CHECK_EQ(files_error(symlink("ls", "/bin/l")), EROFS);
}

TEST(a_mode_is_what_was_asked_for_without_the_mask)
{
    mode_t old = umask(027);
    struct stat st;
    int fd;

    files_start();
    fd = open("a", O_RDWR | O_CREAT, 0666);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 0640);
    close(fd);
    CHECK_EQ(mkdir("d", 0777), 0);
    CHECK_EQ(stat("d", &st), 0);
    CHECK_EQ(st.st_mode, S_IFDIR | 0750);
    umask(old);
    files_end();
}

/* --- unlink, rmdir --- */

TEST(a_removed_name_is_gone)
{
    files_start();
    touch("a");
    CHECK_EQ(unlink("a"), 0);
    CHECK(!is_there("a"));
    CHECK_EQ(files_error(unlink("a")), ENOENT);
    files_end();
}

TEST(files_are_not_directories_when_they_are_removed)
{
    files_start();
    touch("a");
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(files_error(rmdir("a")), ENOTDIR);
    CHECK_EQ(files_error(unlink("d")), EISDIR);
    CHECK_EQ(rmdir("d"), 0);
    CHECK_EQ(files_error(rmdir("d")), ENOENT);
    files_end();
}

TEST(a_directory_with_entries_stays)
{
    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    touch("d/a");
    CHECK_EQ(files_error(rmdir("d")), ENOTEMPTY);
    CHECK_EQ(unlink("d/a"), 0);
    CHECK_EQ(rmdir("d"), 0);
    files_end();
}

TEST(a_mount_point_stays)
{
    CHECK_EQ(files_error(rmdir("/tmp")), EBUSY);
    CHECK_EQ(files_error(rename("/tmp", "/other")), EBUSY);
}

TEST(nothing_is_made_in_a_removed_directory)
{
    int fd;

    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    fd = open("d", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(rmdir("d"), 0);
    CHECK_EQ(files_error(openat(fd, "a", O_RDWR | O_CREAT, 0644)), ENOENT);
    close(fd);
    files_end();
}

/* --- rename --- */

TEST(a_file_gets_another_name)
{
    int fd;

    files_start();
    fd = files_make("a", 100);
    CHECK_EQ(rename("a", "b"), 0);
    CHECK(!is_there("a"));
    CHECK_EQ(files_size("b"), 100);
    CHECK_EQ(write(fd, "x", 1), 1); /* the file is the same */
    close(fd);
    files_end();
}

TEST(what_has_the_new_name_is_replaced)
{
    files_start();
    close(files_make("a", 100));
    close(files_make("b", 200));
    CHECK_EQ(rename("a", "b"), 0);
    CHECK_EQ(files_size("b"), 100);
    CHECK(!is_there("a"));
    files_end();
}

TEST(what_was_replaced_and_is_open_can_be_read)
{
    char byte;
    int fd;

    files_start();
    fd = files_make("b", 200);
    touch("a");
    CHECK_EQ(rename("a", "b"), 0);
    CHECK_EQ(pread(fd, &byte, 1, 150), 1);
    CHECK_EQ(byte, files_byte(150));
    close(fd);
    files_end();
}

TEST(a_name_of_the_same_file_is_no_change)
{
    files_start();
    touch("a");
    CHECK_EQ(link("a", "b"), 0);
    CHECK_EQ(rename("a", "b"), 0);
    CHECK(is_there("a"));
    CHECK(is_there("b"));
    CHECK_EQ(rename("a", "a"), 0);
    files_end();
}

TEST(a_directory_replaces_an_empty_one_alone)
{
    files_start();
    CHECK_EQ(mkdir("a", 0755), 0);
    CHECK_EQ(mkdir("b", 0755), 0);
    touch("b/x");
    touch("f");
    CHECK_EQ(files_error(rename("a", "b")), ENOTEMPTY);
    CHECK_EQ(files_error(rename("a", "f")), ENOTDIR);
    CHECK_EQ(files_error(rename("f", "a")), EISDIR);
    CHECK_EQ(rename("b", "a"), 0);
    CHECK(is_there("a/x"));
    CHECK(!is_there("b"));
    files_end();
}

TEST(a_directory_does_not_go_into_itself)
{
    files_start();
    CHECK_EQ(mkdir("a", 0755), 0);
    CHECK_EQ(mkdir("a/b", 0755), 0);
    CHECK_EQ(files_error(rename("a", "a/b/c")), EINVAL);
    CHECK_EQ(files_error(rename("a", "a/c")), EINVAL);
    CHECK_EQ(rename("a/b", "b"), 0);
    files_end();
}

TEST(a_moved_directory_knows_what_is_above_it)
{
    char path[200];

    files_start();
    CHECK_EQ(mkdir("a", 0755), 0);
    CHECK_EQ(mkdir("b", 0755), 0);
    CHECK_EQ(mkdir("a/c", 0755), 0);
    CHECK_EQ(links_of("a"), 3);
    CHECK_EQ(rename("a/c", "b/d"), 0);
    CHECK_EQ(links_of("a"), 2);
    CHECK_EQ(links_of("b"), 3);
    CHECK_EQ(chdir("b/d/.."), 0);
    CHECK(getcwd(path, sizeof(path)) != NULL && strcmp(path, FILES_PLACE "/b") == 0);
    files_end();
}

TEST(nothing_is_renamed_to_another_file_system)
{
    files_start();
    touch("a");
    CHECK_EQ(files_error(rename("a", "/bin/a")), EXDEV);
    CHECK_EQ(files_error(link("/bin/ls", "ls")), EXDEV);
    CHECK_EQ(files_error(rename("nothing", "b")), ENOENT);
    CHECK_EQ(files_error(rename("a", "nothing/b")), ENOENT);
    files_end();
}

TEST(dots_are_not_renamed_or_removed)
{
    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(files_error(rmdir("d/.")), 0); /* the library leaves '.' out */
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(files_error(rmdir("d/..")), EINVAL);
    CHECK_EQ(files_error(rename("d/..", "x")), EINVAL);
    files_end();
}

/* --- links --- */

TEST(two_names_are_one_file)
{
    struct stat a, b;
    int fd;

    files_start();
    fd = files_make("a", 10);
    CHECK_EQ(link("a", "b"), 0);
    CHECK_EQ(stat("a", &a), 0);
    CHECK_EQ(stat("b", &b), 0);
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_EQ(a.st_nlink, 2);
    CHECK_EQ(pwrite(fd, "new", 3, 10), 3);
    CHECK_EQ(files_size("b"), 13);
    CHECK_EQ(unlink("a"), 0);
    CHECK_EQ(links_of("b"), 1);
    CHECK_EQ(files_size("b"), 13);
    close(fd);
    files_end();
}

TEST(links_that_cannot_be)
{
    files_start();
    touch("a");
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(files_error(link("a", "d")), EEXIST);
    CHECK_EQ(files_error(link("d", "e")), EPERM);
    CHECK_EQ(files_error(link("nothing", "e")), ENOENT);
    CHECK_EQ(files_error(link("a", "nothing/e")), ENOENT);
    files_end();
}

TEST(a_symbolic_link_is_read_and_followed)
{
    char target[100] = "";
    struct stat st;

    files_start();
    close(files_make("a", 33));
    CHECK_EQ(symlink("a", "l"), 0);
    CHECK_EQ(readlink("l", target, sizeof(target)), 1);
    CHECK_EQ(target[0], 'a');
    CHECK_EQ(files_size("l"), 33);
    CHECK_EQ(lstat("l", &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    CHECK_EQ(st.st_size, 1);
    CHECK_EQ(files_error(readlink("a", target, sizeof(target))), EINVAL);
    CHECK_EQ(files_error(symlink("x", "l")), EEXIST);
    CHECK_EQ(unlink("l"), 0);
    CHECK_EQ(files_size("a"), 33);
    files_end();
}

TEST(a_link_may_stand_in_the_middle_and_lead_anywhere)
{
    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(mkdir("d/e", 0755), 0);
    close(files_make("d/a", 5));
    CHECK_EQ(symlink("d/e", "l"), 0);
    CHECK_EQ(files_size("l/../a"), 5); /* above what it points to, not above it */
    CHECK_EQ(symlink("/bin", "bin"), 0);
    CHECK(files_size("bin/ls") > 1000);
    CHECK_EQ(symlink("../../../../../bin/ls", "d/ls"), 0);
    CHECK(files_size("d/ls") > 1000);
    files_end();
}

TEST(links_in_a_circle_end)
{
    files_start();
    CHECK_EQ(symlink("b", "a"), 0);
    CHECK_EQ(symlink("a", "b"), 0);
    CHECK_EQ(open_error("a", O_RDONLY), ELOOP);
    CHECK_EQ(open_error("a/x", O_RDONLY), ELOOP);
    CHECK_EQ(symlink("self/self", "self"), 0);
    CHECK_EQ(open_error("self", O_RDONLY), ELOOP);
    CHECK_EQ(open_error("a", O_RDONLY | O_NOFOLLOW), ELOOP);
    files_end();
}

TEST(a_link_to_nowhere_is_a_name)
{
    files_start();
    CHECK_EQ(symlink("nowhere", "a"), 0);
    CHECK_EQ(open_error("a", O_RDONLY), ENOENT);
    CHECK_EQ(files_error(mkdir("a", 0755)), EEXIST);
    CHECK_EQ(rename("a", "b"), 0);
    CHECK(is_there("b"));
    CHECK_EQ(files_error(symlink("", "c")), ENOENT);
    files_end();
}

/* --- directories --- */

TEST(a_directory_lists_each_entry_once)
{
    bool seen[200] = {false};
    struct dirent *entry;
    unsigned n = 0;
    char name[20];
    DIR *dir;

    files_start();
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "file-%u", i);
        touch(name);
    }
    dir = opendir(".");
    while ((entry = readdir(dir)) != NULL) {
        unsigned i = (unsigned)atoi(entry->d_name + 5);

        CHECK(i < 200 && !seen[i]);
        seen[i % 200] = true;
        CHECK_EQ(entry->d_type, DT_REG);
        n++;
    }
    CHECK_EQ(n, 200);
    closedir(dir);
    files_end();
}

TEST(entries_go_while_a_directory_is_read)
{
    struct dirent *entry;
    unsigned n = 0;
    char name[20];
    DIR *dir;

    files_start();
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "%u", i);
        touch(name);
    }
    dir = opendir(".");
    while ((entry = readdir(dir)) != NULL) {
        CHECK_EQ(unlink(entry->d_name), 0);
        n++;
    }
    CHECK_EQ(n, 100);
    closedir(dir);
    files_end();
}

TEST(the_working_directory_has_a_true_name)
{
    char path[200];

    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(symlink("d", "l"), 0);
    CHECK_EQ(chdir("l"), 0);
    CHECK(getcwd(path, sizeof(path)) != NULL && strcmp(path, FILES_PLACE "/d") == 0);
    CHECK_EQ(chdir("../../.."), 0);
    CHECK(getcwd(path, sizeof(path)) != NULL && strcmp(path, "/") == 0);
    CHECK_EQ(chdir("/.."), 0);
    CHECK_EQ(files_error(chdir("/bin/ls")), ENOTDIR);
    CHECK_EQ(files_error(chdir("/nowhere")), ENOENT);
    files_end();
}

TEST(a_path_begins_at_an_open_directory)
{
    struct stat st;
    int fd;

    files_start();
    CHECK_EQ(mkdir("d", 0755), 0);
    fd = open("d", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(close(openat(fd, "a", O_RDWR | O_CREAT, 0600)), 0);
    CHECK_EQ(fstatat(fd, "a", &st, 0), 0);
    CHECK_EQ(files_size("d/a"), 0);
    CHECK_EQ(mkdirat(fd, "e", 0755), 0);
    CHECK_EQ(renameat(fd, "a", AT_FDCWD, "b"), 0);
    CHECK_EQ(unlinkat(fd, "e", AT_REMOVEDIR), 0);
    CHECK_EQ(symlinkat("x", fd, "l"), 0);
    CHECK_EQ(fstatat(fd, "l", &st, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_EQ(linkat(AT_FDCWD, "b", fd, "c", 0), 0);
    CHECK_EQ(fchdir(fd), 0);
    CHECK_EQ(files_size("c"), 0);
    close(fd);
    files_end();
}

/* --- facts --- */

TEST(modes_owners_and_times_are_set)
{
    const struct timespec times[2] = {{1000, 5}, {2000, 6}};
    struct stat st;
    int fd;

    files_start();
    fd = files_make("a", 1);
    CHECK_EQ(chmod("a", 04711), 0);
    CHECK_EQ(chown("a", 7, 8), 0);
    CHECK_EQ(futimens(fd, times), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 04711);
    CHECK_EQ(st.st_uid, 7);
    CHECK_EQ(st.st_gid, 8);
    CHECK_EQ(st.st_atim.tv_sec, 1000);
    CHECK_EQ(st.st_mtim.tv_sec, 2000);
    CHECK_EQ(st.st_mtim.tv_nsec, 6);
    CHECK_EQ(chown("a", (uid_t)-1, 9), 0);
    CHECK_EQ(fchmod(fd, 0600), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_uid, 7);
    CHECK_EQ(st.st_gid, 9);
    CHECK_EQ(st.st_mode, S_IFREG | 0600);
    close(fd);
    files_end();
}

TEST(writing_moves_the_time_of_change)
{
    const struct timespec times[2] = {{1000, 0}, {1000, 0}};
    struct stat st;
    int fd;

    files_start();
    fd = files_make("a", 1);
    CHECK_EQ(futimens(fd, times), 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(st.st_mtim.tv_sec > 1000);
    CHECK_EQ(futimens(fd, times), 0);
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(st.st_mtim.tv_sec > 1000);
    close(fd);
    files_end();
}

TEST(access_is_what_the_mode_says)
{
    files_start();
    touch("a");
    CHECK_EQ(access("a", R_OK | W_OK), 0);
    CHECK_EQ(files_error(access("a", X_OK)), EACCES);
    CHECK_EQ(chmod("a", 0755), 0);
    CHECK_EQ(access("a", X_OK), 0);
    CHECK_EQ(files_error(access("b", F_OK)), ENOENT);
    files_end();
}

TEST(a_file_system_tells_its_room)
{
    struct statfs before, after;
    int fd;

    files_start();
    CHECK_EQ(statfs(".", &before), 0);
    CHECK_EQ(before.f_bsize, 4096);
    CHECK(before.f_bfree <= before.f_blocks);
    fd = files_make("a", 100 * FILES_PAGE);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(fstatfs(fd, &after), 0);
    CHECK(after.f_bfree + 100 <= before.f_bfree);
    close(fd);
    CHECK_EQ(unlink("a"), 0);
    files_end();
}
