// unix(7): stream and datagram sockets, non-blocking, with descriptors and credentials.
//
// Node's own sockets drop descriptors that come with a message, so whoever passes memory owns the socket from end
// to end. The outcomes of a hot call are numbers, not exceptions: a count, kWouldBlock, or kPeerGone.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "addon.h"

namespace tendon {

constexpr int32_t kWouldBlock = -1;
constexpr int32_t kPeerGone = -2;
constexpr size_t kMaxDescriptors = 16;
constexpr int kSocketFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

struct Address {
  sockaddr_un name = {};
  socklen_t length = 0;
};

template <size_t N>
static bool ReadAddress(napi_env env, const Arguments<N>& arguments, size_t index, Address* out) {
  char path[kTextBytes];
  size_t length = 0;
  if (!arguments.Text(index, "path", path, &length)) return false;
  if (length == 0) {
    ThrowArgument(env, "path", "a path that is not empty");
    return false;
  }
  if (length >= sizeof out->name.sun_path) {
    ThrowErrno(env, ENAMETOOLONG, "bind");
    return false;
  }
  out->name.sun_family = AF_UNIX;
  std::memcpy(out->name.sun_path, path, length + 1);
  out->length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + 1);
  return true;
}

template <size_t N>
static bool ReadType(napi_env env, const Arguments<N>& arguments, size_t index, int* type) {
  bool datagram = false;
  static_cast<void>(env);
  if (!arguments.Flag(index, "datagram", &datagram)) return false;
  *type = datagram ? SOCK_DGRAM : SOCK_STREAM;
  return true;
}

// Removes a socket file again unless the call that made it succeeds.
class BoundPath {
 public:
  explicit BoundPath(const char* path) : path_(path) {}
  ~BoundPath() {
    if (path_ == nullptr) return;
    const int saved = errno;
    ::unlink(path_);
    errno = saved;
  }
  BoundPath(const BoundPath&) = delete;
  BoundPath& operator=(const BoundPath&) = delete;
  void Keep() { path_ = nullptr; }

 private:
  const char* path_;
};

// listenUnix(path, datagram, mode, backlog): fd
static napi_value ListenUnix(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  Address address;
  int type = 0;
  mode_t mode = 0;
  int backlog = 0;
  if (!ReadAddress(env, arguments, 0, &address) || !ReadType(env, arguments, 1, &type) ||
      !arguments.Integer(2, "mode", 0, 0777, &mode) || !arguments.Integer(3, "backlog", 0, 65535, &backlog)) {
    return nullptr;
  }
  Descriptor socket(::socket(AF_UNIX, type | kSocketFlags, 0));
  if (!socket.valid()) return ThrowErrno(env, errno, "socket");
  // Linux gives the file the mode of the socket's own inode (less the umask): narrowed before the bind, there is no
  // instant at which the file exists with a wider one.
  if (::fchmod(socket.get(), mode) != 0) return ThrowErrno(env, errno, "fchmod");
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address.name), address.length) != 0) {
    return ThrowErrno(env, errno, "bind");
  }
  BoundPath path(address.name.sun_path);
  if (type == SOCK_STREAM && ::listen(socket.get(), backlog) != 0) return ThrowErrno(env, errno, "listen");
  path.Keep();
  return Give(env, std::move(socket));
}

// acceptUnix(fd): fd, or -1 when nobody waits
static napi_value AcceptUnix(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  for (;;) {
    Descriptor peer(::accept4(fd, nullptr, nullptr, kSocketFlags));
    if (peer.valid()) return Give(env, std::move(peer));
    if (errno == EAGAIN) return Int(env, -1);
    // ECONNABORTED: that one left before it was served; the next may be there.
    if (errno != EINTR && errno != ECONNABORTED) return ThrowErrno(env, errno, "accept4");
  }
}

// connectUnix(path, datagram): fd. A full backlog is EAGAIN: Unix sockets connect at once or not at all.
static napi_value ConnectUnix(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  Address address;
  int type = 0;
  if (!ReadAddress(env, arguments, 0, &address) || !ReadType(env, arguments, 1, &type)) return nullptr;
  Descriptor socket(::socket(AF_UNIX, type | kSocketFlags, 0));
  if (!socket.valid()) return ThrowErrno(env, errno, "socket");
  int result;
  do {
    result = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address.name), address.length);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return ThrowErrno(env, errno, "connect");
  return Give(env, std::move(socket));
}

// pairUnix(datagram): [fd, fd]
static napi_value PairUnix(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int type = 0;
  int fds[2] = {-1, -1};
  if (!ReadType(env, arguments, 0, &type)) return nullptr;
  if (::socketpair(AF_UNIX, type | kSocketFlags, 0, fds) != 0) return ThrowErrno(env, errno, "socketpair");
  Descriptor first(fds[0]);
  Descriptor second(fds[1]);
  napi_value result = nullptr;
  if (napi_create_array_with_length(env, 2, &result) != napi_ok) return nullptr;
  napi_set_element(env, result, 0, Give(env, std::move(first)));
  napi_set_element(env, result, 1, Give(env, std::move(second)));
  return result;
}

// peerCredentials(fd): { pid, uid, gid } of the peer when it connected or listened, as the kernel saw it
static napi_value PeerCredentials(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  int fd = -1;
  if (!arguments.Fd(0, &fd)) return nullptr;
  struct ucred peer = {};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return ThrowErrno(env, errno, "getsockopt");
  return Record(env)
      .Set("pid", static_cast<double>(peer.pid))
      .Set("uid", static_cast<double>(peer.uid))
      .Set("gid", static_cast<double>(peer.gid))
      .value();
}

// The answer of a transfer that moved `count` bytes or failed with errno.
static napi_value Outcome(napi_env env, ssize_t count, const char* syscall) {
  if (count >= 0) return Number(env, static_cast<double>(count));
  switch (errno) {
    case EAGAIN:
      return Int(env, kWouldBlock);
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
      return Int(env, kPeerGone);
    default:
      return ThrowErrno(env, errno, syscall);
  }
}

// sendSocket(fd, bytes, offset, length): count, kWouldBlock or kPeerGone
static napi_value SendSocket(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  Bytes bytes;
  if (!arguments.Fd(0, &fd) || !arguments.Range(1, &bytes)) return nullptr;
  ssize_t count;
  do {
    count = ::send(fd, bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return Outcome(env, count, "send");
}

// receiveSocket(fd, bytes, offset, length): count, 0 at the end, kWouldBlock or kPeerGone. Descriptors that a peer
// attached without being asked are closed by the kernel, since no room is offered for them.
static napi_value ReceiveSocket(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  Bytes bytes;
  if (!arguments.Fd(0, &fd) || !arguments.Range(1, &bytes)) return nullptr;
  if (bytes.length == 0) return ThrowArgument(env, "length", "at least 1: zero would look like the end");
  ssize_t count;
  do {
    count = ::recv(fd, bytes.data, bytes.length, MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  return Outcome(env, count, "recv");
}

union ControlBuffer {
  cmsghdr alignment;
  char bytes[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
};

// sendDescriptors(fd, bytes, offset, length, fds): count, kWouldBlock or kPeerGone; the fds stay the caller's
static napi_value SendDescriptors(napi_env env, napi_callback_info info) {
  Arguments<5> arguments(env, info);
  int fd = -1;
  Bytes bytes;
  uint32_t count = 0;
  int fds[kMaxDescriptors];
  if (!arguments.Fd(0, &fd) || !arguments.Range(1, &bytes)) return nullptr;
  if (bytes.length == 0) return ThrowArgument(env, "length", "at least 1: descriptors travel with a byte");
  if (napi_get_array_length(env, arguments[4], &count) != napi_ok || count == 0 || count > kMaxDescriptors) {
    return ThrowArgument(env, "fds", "an array of 1 to 16 descriptors");
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    double value = -1;
    if (napi_get_element(env, arguments[4], i, &element) != napi_ok ||
        napi_get_value_double(env, element, &value) != napi_ok || !(value >= 0) || !(value <= INT32_MAX) ||
        value != std::trunc(value)) {
      return ThrowArgument(env, "fds", "an array of 1 to 16 descriptors");
    }
    fds[i] = static_cast<int>(value);
  }
  ControlBuffer control = {};
  iovec data = {bytes.data, bytes.length};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  ssize_t sent;
  do {
    sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return Outcome(env, sent, "sendmsg");
}

// receiveDescriptors(fd, bytes, offset, length, out): as receiveSocket; descriptors that came are pushed to `out`.
// When some had to be dropped, those that came are closed and the call fails: EMFILE when the process has no room
// for more, EMSGSIZE when there were more than 16.
static napi_value ReceiveDescriptors(napi_env env, napi_callback_info info) {
  Arguments<5> arguments(env, info);
  int fd = -1;
  Bytes bytes;
  uint32_t held = 0;
  if (!arguments.Fd(0, &fd) || !arguments.Range(1, &bytes)) return nullptr;
  if (bytes.length == 0) return ThrowArgument(env, "length", "at least 1: zero would look like the end");
  if (napi_get_array_length(env, arguments[4], &held) != napi_ok) return ThrowArgument(env, "out", "an array");
  ControlBuffer control = {};
  iovec data = {bytes.data, bytes.length};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t count;
  do {
    count = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return Outcome(env, count, "recvmsg");

  std::array<Descriptor, kMaxDescriptors> received;
  size_t many = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t inside = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < inside; i++) {
      int one = -1;
      std::memcpy(&one, CMSG_DATA(header) + i * sizeof(int), sizeof one);
      Descriptor owned(one);
      if (many < received.size()) received[many++] = std::move(owned);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return ThrowErrno(env, many < received.size() ? EMFILE : EMSGSIZE, "recvmsg");
  }
  for (size_t i = 0; i < many; i++) {
    const uint32_t place = held + static_cast<uint32_t>(i);
    uint32_t length = 0;
    // A frozen array takes nothing and says nothing: only its length tells whether the descriptor has an owner now.
    if (napi_set_element(env, arguments[4], place, Int(env, received[i].get())) != napi_ok ||
        napi_get_array_length(env, arguments[4], &length) != napi_ok || length != place + 1) {
      return ThrowArgument(env, "out", "an array that can grow");
    }
    received[i].Release();
  }
  return Number(env, static_cast<double>(count));
}

// shutdownSocket(fd, how): 0 reading, 1 writing, 2 both
static napi_value ShutdownSocket(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  int fd = -1;
  int how = 0;
  if (!arguments.Fd(0, &fd) || !arguments.Integer(1, "how", SHUT_RD, SHUT_RDWR, &how)) return nullptr;
  // ENOTCONN: the peer was faster, there is nothing left to shut.
  if (::shutdown(fd, how) != 0 && errno != ENOTCONN) return ThrowErrno(env, errno, "shutdown");
  return Undefined(env);
}

// sendDatagram(fd, bytes, offset, length, path): count, kWouldBlock, or kPeerGone when nobody is bound there
static napi_value SendDatagram(napi_env env, napi_callback_info info) {
  Arguments<5> arguments(env, info);
  int fd = -1;
  Bytes bytes;
  Address address;
  if (!arguments.Fd(0, &fd) || !arguments.Range(1, &bytes) || !ReadAddress(env, arguments, 4, &address)) {
    return nullptr;
  }
  ssize_t count;
  do {
    count = ::sendto(fd, bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL,
                     reinterpret_cast<sockaddr*>(&address.name), address.length);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == ENOENT) return Int(env, kPeerGone);
  return Outcome(env, count, "sendto");
}

// receiveDatagram(fd, bytes, offset, length): { bytes, path } or null when none waits. `bytes` is the datagram's
// whole size, more than `length` when its end was cut off; `path` is empty for a sender that is not bound.
static napi_value ReceiveDatagram(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  Bytes bytes;
  if (!arguments.Fd(0, &fd) || !arguments.Range(1, &bytes)) return nullptr;
  Address from;
  from.length = sizeof from.name;
  ssize_t count;
  do {
    count = ::recvfrom(fd, bytes.data, bytes.length, MSG_DONTWAIT | MSG_TRUNC,
                       reinterpret_cast<sockaddr*>(&from.name), &from.length);
  } while (count < 0 && errno == EINTR);
  napi_value result = nullptr;
  if (count < 0) {
    if (errno != EAGAIN) return ThrowErrno(env, errno, "recvfrom");
    napi_get_null(env, &result);
    return result;
  }
  size_t length = 0;
  if (from.length > offsetof(sockaddr_un, sun_path) && from.name.sun_path[0] != '\0') {
    length = ::strnlen(from.name.sun_path, from.length - offsetof(sockaddr_un, sun_path));
  }
  napi_create_string_utf8(env, from.name.sun_path, length, &result);
  return Record(env).Set("bytes", static_cast<double>(count)).Set("path", result).value();
}

void RegisterUnixSocket(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"listenUnix", ListenUnix},
          {"acceptUnix", AcceptUnix},
          {"connectUnix", ConnectUnix},
          {"pairUnix", PairUnix},
          {"peerCredentials", PeerCredentials},
          {"sendSocket", SendSocket},
          {"receiveSocket", ReceiveSocket},
          {"sendDescriptors", SendDescriptors},
          {"receiveDescriptors", ReceiveDescriptors},
          {"shutdownSocket", ShutdownSocket},
          {"sendDatagram", SendDatagram},
          {"receiveDatagram", ReceiveDatagram}});
}

}  // namespace tendon
