// close(2), fstat(2), fstatfs(2).

#include <sys/stat.h>
#include <sys/vfs.h>

#include "addon.h"

namespace tendon {

// closeDescriptor(fd)
static napi_value CloseDescriptor(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  // Linux frees the number even when close reports EINTR or EIO: closing again would hit a stranger's descriptor.
  if (::close(fd) != 0 && errno == EBADF) return ThrowErrno(env, errno, "close");
  return Undefined(env);
}

// describeDescriptor(fd): { bytes, device, inode, mode, uid, gid, fileSystemMagic }
static napi_value DescribeDescriptor(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  struct stat status;
  if (::fstat(fd, &status) != 0) return ThrowErrno(env, errno, "fstat");
  struct statfs file_system;
  if (::fstatfs(fd, &file_system) != 0) return ThrowErrno(env, errno, "fstatfs");
  return Record(env)
      .Set("bytes", static_cast<double>(status.st_size))
      .Set("device", static_cast<double>(status.st_dev))
      .Set("inode", static_cast<double>(status.st_ino))
      .Set("mode", static_cast<double>(status.st_mode))
      .Set("uid", static_cast<double>(status.st_uid))
      .Set("gid", static_cast<double>(status.st_gid))
      // The type of f_type differs between processors; a magic number has 32 bits.
      .Set("fileSystemMagic", static_cast<double>(static_cast<uint32_t>(file_system.f_type)))
      .value();
}

void RegisterDescriptor(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"closeDescriptor", CloseDescriptor}, {"describeDescriptor", DescribeDescriptor}});
}

}  // namespace tendon
