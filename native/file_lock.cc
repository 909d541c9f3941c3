// Open file description locks, fcntl(2) F_OFD_SETLK: they belong to the opened file, not to the process, so two
// parts of one process exclude each other, and the kernel lets go when the last descriptor is closed.

#include <fcntl.h>

#include "addon.h"

namespace tendon {

constexpr double kLargestOffset = 9007199254740991.0;

// Arguments: fd, kind, offset, length (0: to the end, however far the file grows).
static bool ReadLock(const Arguments<4>& arguments, int* fd, struct flock* lock) {
  bool exclusive = false;
  *lock = {};  // l_pid must be zero
  if (!arguments.Fd(0, fd) || !arguments.Flag(1, "exclusive", &exclusive) ||
      !arguments.Integer(2, "offset", 0, kLargestOffset, &lock->l_start) ||
      !arguments.Integer(3, "length", 0, kLargestOffset, &lock->l_len)) {
    return false;
  }
  lock->l_type = exclusive ? F_WRLCK : F_RDLCK;
  lock->l_whence = SEEK_SET;
  return true;
}

// tryLockFile(fd, exclusive, offset, length): false when another description holds a conflicting lock
static napi_value TryLockFile(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  struct flock lock;
  if (!ReadLock(arguments, &fd, &lock)) return nullptr;
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return Bool(env, true);
  if (errno == EAGAIN || errno == EACCES) return Bool(env, false);
  return ThrowErrno(env, errno, "fcntl");
}

// unlockFile(fd, ignored, offset, length)
static napi_value UnlockFile(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  struct flock lock;
  if (!ReadLock(arguments, &fd, &lock)) return nullptr;
  lock.l_type = F_UNLCK;
  if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) return ThrowErrno(env, errno, "fcntl");
  return Undefined(env);
}

// queryLock(fd, exclusive, offset, length): the first lock that would refuse this one, or null
static napi_value QueryLock(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  struct flock lock;
  if (!ReadLock(arguments, &fd, &lock)) return nullptr;
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) return ThrowErrno(env, errno, "fcntl");
  if (lock.l_type == F_UNLCK) {
    napi_value none = nullptr;
    napi_get_null(env, &none);
    return none;
  }
  return Record(env)
      .Set("exclusive", Bool(env, lock.l_type == F_WRLCK))
      .Set("pid", static_cast<double>(lock.l_pid))  // -1: held by a description, which has no single owner
      .Set("offset", static_cast<double>(lock.l_start))
      .Set("length", static_cast<double>(lock.l_len))
      .value();
}

void RegisterFileLock(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"tryLockFile", TryLockFile}, {"unlockFile", UnlockFile}, {"queryLock", QueryLock}});
}

}  // namespace tendon
