#ifndef TENDON_WATCHER_H_
#define TENDON_WATCHER_H_

#include <uv.h>

#include "addon.h"

namespace tendon {

// One descriptor watched by the event loop of one environment. Lives from Start until its close callback.
class Watcher {
 public:
  // With `owned` the end of the environment closes the descriptor of a watcher that is still open then: a terminated
  // worker has no JavaScript left that could.
  Watcher(napi_env env, uint32_t id, int fd, bool owned) : env_(env), id_(id), fd_(fd), owned_(owned) {}
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Each returns 0 or a positive errno.
  int Start(napi_value callback, int events);
  int SetEvents(int events);
  void SetReferenced(bool referenced);
  void Close();

  bool closing() const { return closing_; }

 private:
  static void OnPoll(uv_poll_t* poll, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data);

  void Call(int status, int events);
  void Forget();  // destroys this

  uv_poll_t poll_ = {};
  napi_env env_;
  napi_ref callback_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uint32_t id_;
  int fd_;
  bool owned_;
  int events_ = 0;
  bool closing_ = false;
};

}  // namespace tendon

#endif  // TENDON_WATCHER_H_
