// memfd_create(2), ftruncate(2), fallocate(2), and the seals of fcntl(2).

#include <fcntl.h>
#include <sys/mman.h>

#include "addon.h"

namespace tendon {

constexpr double kLargestFile = 9007199254740991.0;  // 2^53 - 1, what a double counts exactly

// createMemfd(name, flags): fd
static napi_value CreateMemfd(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  char name[kTextBytes];
  size_t length = 0;
  unsigned int flags = 0;
  if (!arguments.Text(0, "name", name, &length) || !arguments.Integer(1, "flags", 0, UINT32_MAX, &flags)) {
    return nullptr;
  }
  Descriptor memfd(::memfd_create(name, flags | MFD_CLOEXEC));
  if (!memfd.valid()) return ThrowErrno(env, errno, "memfd_create");
  return Give(env, std::move(memfd));
}

// resizeFile(fd, bytes)
static napi_value ResizeFile(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  int fd = -1;
  off_t bytes = 0;
  if (!arguments.Fd(0, &fd) || !arguments.Integer(1, "bytes", 0, kLargestFile, &bytes)) return nullptr;
  int result;
  do {
    result = ::ftruncate(fd, bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Undefined(env) : ThrowErrno(env, errno, "ftruncate");
}

// allocateFile(fd, bytes): memory is committed now, so that its lack is an error here and not SIGBUS later
static napi_value AllocateFile(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  int fd = -1;
  off_t bytes = 0;
  if (!arguments.Fd(0, &fd) || !arguments.Integer(1, "bytes", 1, kLargestFile, &bytes)) return nullptr;
  int result;
  do {
    result = ::fallocate(fd, 0, 0, bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Undefined(env) : ThrowErrno(env, errno, "fallocate");
}

// addSeals(fd, seals)
static napi_value AddSeals(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  int fd = -1;
  int seals = 0;
  if (!arguments.Fd(0, &fd) || !arguments.Integer(1, "seals", 0, INT32_MAX, &seals)) return nullptr;
  if (::fcntl(fd, F_ADD_SEALS, seals) != 0) return ThrowErrno(env, errno, "fcntl");
  return Undefined(env);
}

// getSeals(fd): seals
static napi_value GetSeals(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return ThrowErrno(env, errno, "fcntl");
  return Int(env, seals);
}

void RegisterMemfd(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"createMemfd", CreateMemfd},
          {"resizeFile", ResizeFile},
          {"allocateFile", AllocateFile},
          {"addSeals", AddSeals},
          {"getSeals", GetSeals}});
}

}  // namespace tendon
