// mmap(2), munmap(2), madvise(2).
//
// A mapping lives inside one external ArrayBuffer. Closing detaches that buffer first and unmaps second: a late
// access sees length 0 instead of another mapping's memory. The buffer's finalizer is the fallback for the
// forgotten and for the end of a worker.

#include "mapping.h"

#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace tendon {

void Region::Unmap() {
  if (address_ == nullptr) return;
  owner_->Remove(address_);
  ::munmap(std::exchange(address_, nullptr), bytes_);
}

constexpr double kLargestMapping = 1125899906842624.0;  // 2^50: beyond any address space, exact as a double

// mapRegion(fd, offset, bytes, writable, populate): ArrayBuffer
static napi_value MapRegion(napi_env env, napi_callback_info info) {
  Arguments<5> arguments(env, info);
  int fd = -1;
  off_t offset = 0;
  size_t bytes = 0;
  bool writable = false;
  bool populate = false;
  if (!arguments.Fd(0, &fd) || !arguments.Integer(1, "offset", 0, kLargestMapping, &offset) ||
      !arguments.Integer(2, "bytes", 1, kLargestMapping, &bytes) || !arguments.Flag(3, "writable", &writable) ||
      !arguments.Flag(4, "populate", &populate)) {
    return nullptr;
  }
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = ::mmap(nullptr, bytes, protection, MAP_SHARED | (populate ? MAP_POPULATE : 0), fd, offset);
  if (address == MAP_FAILED) return ThrowErrno(env, errno, "mmap");

  State* state = State::Of(env);
  auto region = std::make_unique<Region>(address, bytes, state->regions);
  state->regions->Add(region.get());
  napi_value buffer = nullptr;
  const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<Region*>(hint); };
  const napi_status status =
      napi_create_external_arraybuffer(env, address, bytes, finalize, region.get(), &buffer);
  if (status == napi_ok) {
    region.release();  // the finalizer owns it now
    return buffer;
  }
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) {  // Node 20 throws its own RangeError past 4 GiB; ours has the form callers know
    napi_value ignored = nullptr;
    napi_get_and_clear_last_exception(env, &ignored);
  }
  // Runtimes with a sandboxed heap refuse memory that is not theirs (status napi_no_external_buffers_allowed).
  return ThrowErrno(env, pending ? ENOMEM : ENOTSUP, "napi_create_external_arraybuffer");
}

// unmapRegion(buffer): true when this call unmapped it, false when it was unmapped already
static napi_value UnmapRegion(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Bytes bytes;
  if (!arguments.Buffer(0, &bytes)) return nullptr;
  if (bytes.data == nullptr) return Bool(env, false);
  Region* region = State::Of(env)->regions->Find(bytes.data);
  if (region == nullptr) return ThrowArgument(env, "buffer", "a buffer that mapRegion returned");
  if (napi_detach_arraybuffer(env, arguments[0]) != napi_ok) return ThrowErrno(env, EBUSY, "detach");
  region->Unmap();
  return Bool(env, true);
}

// A page-aligned stretch of a mapped buffer; arguments 0 to 2 are buffer, offset, bytes.
template <size_t N>
static bool Stretch(napi_env env, const Arguments<N>& arguments, Bytes* out) {
  Bytes whole;
  size_t offset = 0;
  size_t bytes = 0;
  if (!arguments.Buffer(0, &whole)) return false;
  if (whole.data == nullptr || State::Of(env)->regions->Find(whole.data) == nullptr) {
    ThrowArgument(env, "buffer", "a buffer that mapRegion returned");
    return false;
  }
  const double length = static_cast<double>(whole.length);
  if (!arguments.Integer(1, "offset", 0, length, &offset)) return false;
  if (!arguments.Integer(2, "bytes", 0, length - static_cast<double>(offset), &bytes)) return false;
  out->data = whole.data + offset;
  out->length = bytes;
  return true;
}

// adviseRegion(buffer, offset, bytes, advice)
static napi_value AdviseRegion(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  Bytes stretch;
  int advice = 0;
  if (!Stretch(env, arguments, &stretch) || !arguments.Integer(3, "advice", 0, INT32_MAX, &advice)) return nullptr;
  if (::madvise(stretch.data, stretch.length, advice) != 0) return ThrowErrno(env, errno, "madvise");
  return Undefined(env);
}

// prefaultRegion(buffer, offset, bytes, writable): pages present (and writable), bytes unchanged
static napi_value PrefaultRegion(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  Bytes stretch;
  bool writable = false;
  if (!Stretch(env, arguments, &stretch) || !arguments.Flag(3, "writable", &writable)) return nullptr;
  const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  int result;
  do {
    result = ::madvise(stretch.data, stretch.length, advice);
  } while (result != 0 && (errno == EINTR || errno == EAGAIN));
  if (result == 0) return Undefined(env);
  // EINVAL: a kernel before 5.14, or an unaligned start; anything else is real (EFAULT: no memory behind it).
  if (errno != EINVAL) return ThrowErrno(env, errno, "madvise");
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (size_t at = 0; at < stretch.length; at += page) {
    uint8_t* byte = stretch.data + at;
    if (writable) {
      __atomic_fetch_or(byte, 0, __ATOMIC_RELAXED);  // a write that changes nothing, also against other writers
    } else {
      static_cast<void>(__atomic_load_n(byte, __ATOMIC_RELAXED));
    }
  }
  return Undefined(env);
}

void RegisterMapping(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"mapRegion", MapRegion},
          {"unmapRegion", UnmapRegion},
          {"adviseRegion", AdviseRegion},
          {"prefaultRegion", PrefaultRegion}});
}

}  // namespace tendon
