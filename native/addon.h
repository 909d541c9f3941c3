// What every primitive of the addon shares: arguments, failures, ownership, per-environment state.
//
// One file per operating system primitive, one function per primitive, no policy: names, retries, limits and
// error codes live in src/os, whose TypeScript types document these functions.

#ifndef TENDON_ADDON_H_
#define TENDON_ADDON_H_

#include <errno.h>
#include <node_api.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace tendon {

// Owns one file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  // Keeps errno: a failure must be reported as what it was, not as what the clean-up said.
  void Reset(int fd = -1) {
    if (fd_ >= 0) {
      const int saved = errno;
      ::close(fd_);
      errno = saved;
    }
    fd_ = fd;
  }

 private:
  int fd_;
};

class Regions;
class Watcher;

// All that the addon remembers, one per environment: each worker has its own and shares nothing.
struct State {
  State();
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static State* Of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<State*>(data);
  }

  // Shared with the finalizers of mapped buffers, which may run after the state is gone.
  std::shared_ptr<Regions> regions;
  std::unordered_map<uint32_t, std::unique_ptr<Watcher>> watchers;
  uint32_t next_watcher = 1;
};

// Throws an Error with `errno` (positive), `code` ('ENOENT') and `syscall`; returns what the caller returns.
napi_value ThrowErrno(napi_env env, int error, const char* syscall);
// Throws a TypeError with `argument`, `code` 'EINVAL', `errno` and `syscall`; returns what the caller returns.
napi_value ThrowArgument(napi_env env, const char* argument, const char* expected);

inline napi_value Number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

inline napi_value Int(napi_env env, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

inline napi_value Bool(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

inline napi_value Undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

// Hands a fresh descriptor to JavaScript, which owns it from here on.
inline napi_value Give(napi_env env, Descriptor descriptor) { return Int(env, descriptor.Release()); }

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// The longest text that any primitive takes: a path (PATH_MAX, the zero included).
constexpr size_t kTextBytes = 4096;

// The arguments of one call. Each getter checks and, when it returns false, has thrown.
template <size_t N>
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = N;  // Node-API fills what is missing with undefined
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  napi_value operator[](size_t index) const { return values_[index]; }

  // An integer from min to max; bounds must be exact as double.
  template <typename T>
  bool Integer(size_t index, const char* name, double min, double max, T* out) const {
    double value = 0;
    if (napi_get_value_double(env_, values_[index], &value) != napi_ok || !(value >= min) || !(value <= max) ||
        value != std::trunc(value)) {
      ThrowArgument(env_, name, "an integer within its range");
      return false;
    }
    *out = static_cast<T>(value);
    return true;
  }

  bool Fd(size_t index, int* out) const { return Integer(index, "fd", 0, INT32_MAX, out); }

  bool Flag(size_t index, const char* name, bool* out) const {
    if (napi_get_value_bool(env_, values_[index], out) == napi_ok) return true;
    ThrowArgument(env_, name, "a boolean");
    return false;
  }

  // Zero-terminated text without a zero inside, of at most kTextBytes - 1 bytes of UTF-8.
  bool Text(size_t index, const char* name, char (&out)[kTextBytes], size_t* length) const {
    size_t whole = 0;
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &whole) != napi_ok ||
        whole >= kTextBytes ||
        napi_get_value_string_utf8(env_, values_[index], out, kTextBytes, length) != napi_ok) {
      ThrowArgument(env_, name, "a string of less than 4096 bytes");
      return false;
    }
    for (size_t i = 0; i < *length; i++) {
      if (out[i] == '\0') {
        ThrowArgument(env_, name, "a string without zero characters");
        return false;
      }
    }
    return true;
  }

  // bytes[offset, offset + length) of a Uint8Array; arguments index, index + 1, index + 2. Lean: hot calls use it.
  bool Range(size_t index, Bytes* out) const {
    napi_typedarray_type type = napi_int8_array;
    size_t size = 0;
    void* data = nullptr;
    int64_t offset = 0;
    int64_t length = 0;
    if (napi_get_typedarray_info(env_, values_[index], &type, &size, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
      ThrowArgument(env_, "bytes", "a Uint8Array");
      return false;
    }
    if (napi_get_value_int64(env_, values_[index + 1], &offset) != napi_ok || offset < 0 ||
        static_cast<uint64_t>(offset) > size) {
      ThrowArgument(env_, "offset", "an integer from 0 to the length of bytes");
      return false;
    }
    if (napi_get_value_int64(env_, values_[index + 2], &length) != napi_ok || length < 0 ||
        static_cast<uint64_t>(length) > size - static_cast<uint64_t>(offset)) {
      ThrowArgument(env_, "length", "an integer from 0 to what is left of bytes");
      return false;
    }
    out->data = static_cast<uint8_t*>(data) + offset;
    out->length = static_cast<size_t>(length);
    return true;
  }

  // An ArrayBuffer that is not detached.
  bool Buffer(size_t index, Bytes* out) const {
    bool is = false;
    void* data = nullptr;
    if (napi_is_arraybuffer(env_, values_[index], &is) != napi_ok || !is ||
        napi_get_arraybuffer_info(env_, values_[index], &data, &out->length) != napi_ok) {
      ThrowArgument(env_, "buffer", "an ArrayBuffer");
      return false;
    }
    out->data = static_cast<uint8_t*>(data);
    return true;
  }

  // A 32-bit word inside an ArrayBuffer; arguments index and index + 1.
  bool Word(size_t index, uint32_t** out) const {
    Bytes bytes;
    int64_t offset = 0;
    if (!Buffer(index, &bytes)) return false;
    if (napi_get_value_int64(env_, values_[index + 1], &offset) != napi_ok || offset < 0 || offset % 4 != 0 ||
        static_cast<uint64_t>(offset) + 4 > bytes.length) {
      ThrowArgument(env_, "byteOffset", "the offset of a 32-bit word inside the buffer");
      return false;
    }
    *out = reinterpret_cast<uint32_t*>(bytes.data + offset);
    return true;
  }

 private:
  napi_env env_;
  napi_value values_[N];
};

// An object under construction, for the few cold calls that answer more than a number.
class Record {
 public:
  explicit Record(napi_env env) : env_(env) { napi_create_object(env, &object_); }
  Record& Set(const char* name, napi_value value) {
    napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  Record& Set(const char* name, double value) { return Set(name, Number(env_, value)); }
  napi_value value() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

struct Method {
  const char* name;
  napi_callback callback;
};

// Adds functions to the addon's exports; each primitive's file has one Register... that calls it.
template <size_t N>
void Define(napi_env env, napi_value exports, const Method (&methods)[N]) {
  for (const Method& method : methods) {
    napi_value function = nullptr;
    napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.callback, nullptr, &function);
    napi_set_named_property(env, exports, method.name, function);
  }
}

void RegisterDescriptor(napi_env env, napi_value exports);
void RegisterMemfd(napi_env env, napi_value exports);
void RegisterMapping(napi_env env, napi_value exports);
void RegisterOpenBeneath(napi_env env, napi_value exports);
void RegisterFutex(napi_env env, napi_value exports);
void RegisterEventFd(napi_env env, napi_value exports);
void RegisterClock(napi_env env, napi_value exports);
void RegisterWatcher(napi_env env, napi_value exports);
void RegisterUnixSocket(napi_env env, napi_value exports);
void RegisterFileLock(napi_env env, napi_value exports);
void RegisterPidfd(napi_env env, napi_value exports);
void RegisterMachine(napi_env env, napi_value exports);

}  // namespace tendon

#endif  // TENDON_ADDON_H_
