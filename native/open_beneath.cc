// openat2(2): opens a file below a directory, through no link and into no other file system.

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>

#include "addon.h"

#ifndef SYS_openat2
#define SYS_openat2 437  // the same on every processor: newer than the unified table
#endif

namespace tendon {

constexpr int kPermitted = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC;
constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
constexpr int kAttempts = 32;

static Descriptor OpenInKernel(int base, const char* path, int flags, mode_t mode) {
  struct open_how how;
  std::memset(&how, 0, sizeof how);
  how.flags = static_cast<uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;  // openat2 refuses a mode that means nothing
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  for (int attempt = 0;; attempt++) {
    Descriptor file(static_cast<int>(::syscall(SYS_openat2, base, path, &how, sizeof how)));
    // EAGAIN: a rename somewhere raced with the resolution, nothing was decided.
    if (file.valid() || (errno != EAGAIN && errno != EINTR) || attempt == kAttempts) return file;
  }
}

// The same rules, one component at a time, for kernels before 5.6 and for sandboxes that hide openat2.
static Descriptor OpenByWalking(int base, char* path, int flags, mode_t mode) {
  struct stat origin;
  if (path[0] == '\0') {
    errno = ENOENT;
    return Descriptor();
  }
  if (path[0] == '/') {
    errno = EXDEV;  // what openat2 says of a path that leaves the base
    return Descriptor();
  }
  if (::fstat(base, &origin) != 0) return Descriptor();
  Descriptor directory;
  char* part = path;
  for (;;) {
    char* slash = std::strchr(part, '/');
    const bool last = slash == nullptr;
    if (!last) *slash = '\0';
    if (std::strcmp(part, "..") == 0) {
      errno = EXDEV;
      return Descriptor();
    }
    const int parent = directory.valid() ? directory.get() : base;
    const bool here = part[0] == '\0' || std::strcmp(part, ".") == 0;
    if (last || !here) {
      const int how = last ? flags : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
      Descriptor next(::openat(parent, here ? "." : part, how, mode));
      if (!next.valid()) return next;
      struct stat status;
      if (::fstat(next.get(), &status) != 0) return Descriptor();
      if (status.st_dev != origin.st_dev) {
        errno = EXDEV;
        return Descriptor();
      }
      if (last) return next;
      directory = std::move(next);
    }
    part = slash + 1;
  }
}

// openBeneath(base, path, flags, mode, walk): fd. `walk` takes the fallback even where openat2 exists.
static napi_value OpenBeneath(napi_env env, napi_callback_info info) {
  Arguments<5> arguments(env, info);
  char base[kTextBytes];
  char path[kTextBytes];
  size_t length = 0;
  int flags = 0;
  mode_t mode = 0;
  bool walk = false;
  if (!arguments.Text(0, "base", base, &length) || !arguments.Text(1, "path", path, &length) ||
      !arguments.Integer(2, "flags", 0, INT32_MAX, &flags) || !arguments.Integer(3, "mode", 0, 0777, &mode) ||
      !arguments.Flag(4, "walk", &walk)) {
    return nullptr;
  }
  if ((flags & ~kPermitted) != 0) return ThrowArgument(env, "flags", "an access mode, O_CREAT, O_EXCL, O_TRUNC");
  Descriptor directory(::open(base, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return ThrowErrno(env, errno, "open");
  Descriptor file;
  if (!walk) file = OpenInKernel(directory.get(), path, flags | kAlways, mode);
  if (walk || (!file.valid() && (errno == ENOSYS || errno == EPERM))) {
    // EPERM: a seccomp filter may answer so for calls that it does not know. The walk reports a true EPERM again.
    file = OpenByWalking(directory.get(), path, flags | kAlways, mode);
  }
  if (!file.valid()) return ThrowErrno(env, errno, walk ? "openat" : "openat2");
  return Give(env, std::move(file));
}

void RegisterOpenBeneath(napi_env env, napi_value exports) {
  Define(env, exports, {{"openBeneath", OpenBeneath}});
}

}  // namespace tendon
