// uv_poll: a descriptor on the event loop.
//
// The life of a watcher, and who may end it:
//
//   Start --> polling --> Close (JavaScript) -------+--> uv_close --> OnClosed: hook removed, object destroyed
//                    \--> OnCleanup (end of env) --/
//
// A handle that is still open when a worker ends aborts the process, so an asynchronous cleanup hook closes it; the
// environment waits for that hook until OnClosed removes it, also when JavaScript had closed the watcher just
// before. The hook holds a reference to the environment, so the state outlives every watcher.

#include "watcher.h"

#include <fcntl.h>
#include <unistd.h>

namespace tendon {

constexpr int kReadable = 1;
constexpr int kWritable = 2;

static int LoopEvents(int events) {
  return ((events & kReadable) != 0 ? UV_READABLE : 0) | ((events & kWritable) != 0 ? UV_WRITABLE : 0) |
         UV_DISCONNECT;
}

int Watcher::Start(napi_value callback, int events) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return ENOTSUP;
  const int status = uv_poll_init(loop, &poll_, fd_);
  if (status != 0) {
    Forget();  // libuv kept nothing of it
    return -status;
  }
  poll_.data = this;
  napi_value name = nullptr;
  napi_create_string_utf8(env_, "TendonWatcher", NAPI_AUTO_LENGTH, &name);
  if (napi_create_reference(env_, callback, 1, &callback_) != napi_ok ||
      napi_async_init(env_, nullptr, name, &context_) != napi_ok ||
      napi_add_async_cleanup_hook(env_, OnCleanup, this, &hook_) != napi_ok) {
    Close();
    return ENOMEM;
  }
  const int failure = SetEvents(events);
  if (failure != 0) Close();
  return failure;
}

int Watcher::SetEvents(int events) {
  // libuv aborts the process when it has to watch a closed descriptor: ask the kernel first.
  if (::fcntl(fd_, F_GETFD) < 0) return errno;
  events_ = events;
  return -uv_poll_start(&poll_, LoopEvents(events), OnPoll);
}

void Watcher::SetReferenced(bool referenced) {
  uv_handle_t* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  referenced ? uv_ref(handle) : uv_unref(handle);
}

void Watcher::Close() {
  if (closing_) return;
  closing_ = true;
  uv_poll_stop(&poll_);  // leaves epoll now: the caller may close the descriptor when this returns
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnClosed);
}

void Watcher::OnPoll(uv_poll_t* poll, int status, int events) {
  static_cast<Watcher*>(poll->data)->Call(status, events);
}

void Watcher::Call(int status, int events) {
  // An error condition of the descriptor (a reset, mostly) stops the handle. Whoever reads or writes learns what it
  // is, so it is reported as all three, and polling goes on until the owner closes.
  if (status < 0) {
    events = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;
    static_cast<void>(SetEvents(events_));
  }
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value callback = nullptr;
  napi_value receiver = nullptr;
  napi_value result = nullptr;
  napi_value arguments[3] = {
      Bool(env_, (events & UV_READABLE) != 0),
      Bool(env_, (events & UV_WRITABLE) != 0),
      Bool(env_, (events & UV_DISCONNECT) != 0),
  };
  const napi_env env = env_;  // the callback may close the watcher; it is destroyed only by the loop, later
  napi_get_reference_value(env, callback_, &callback);
  napi_get_global(env, &receiver);
  // make_callback, not call_function: it runs the microtasks and process.nextTick queue afterwards.
  if (napi_make_callback(env, context_, receiver, callback, 3, arguments, &result) == napi_pending_exception) {
    napi_value error = nullptr;
    // Left pending, the exception would vanish. While the environment is being terminated there is none to get.
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

void Watcher::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  Watcher* watcher = static_cast<Watcher*>(data);
  if (watcher->closing_) return;
  watcher->Close();
  if (watcher->owned_) ::close(watcher->fd_);
}

void Watcher::OnClosed(uv_handle_t* handle) { static_cast<Watcher*>(handle->data)->Forget(); }

void Watcher::Forget() {
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  if (callback_ != nullptr) napi_delete_reference(env_, callback_);
  const napi_async_cleanup_hook_handle hook = hook_;
  State::Of(env_)->watchers.erase(id_);  // `this` is gone from here on
  if (hook != nullptr) napi_remove_async_cleanup_hook(hook);
}

// The live watcher with the id in argument 0, or null after EBADF was thrown.
template <size_t N>
static Watcher* Find(napi_env env, const Arguments<N>& arguments) {
  uint32_t id = 0;
  if (!arguments.Integer(0, "watcher", 0, UINT32_MAX, &id)) return nullptr;
  State* state = State::Of(env);
  const auto found = state->watchers.find(id);
  if (found == state->watchers.end() || found->second->closing()) {
    ThrowErrno(env, EBADF, "uv_poll");
    return nullptr;
  }
  return found->second.get();
}

// startWatcher(fd, events, callback, owned): id
static napi_value StartWatcher(napi_env env, napi_callback_info info) {
  Arguments<4> arguments(env, info);
  int fd = -1;
  int events = 0;
  bool owned = false;
  napi_valuetype type = napi_undefined;
  if (!arguments.Fd(0, &fd) || !arguments.Integer(1, "events", 0, kReadable | kWritable, &events)) return nullptr;
  if (napi_typeof(env, arguments[2], &type) != napi_ok || type != napi_function) {
    return ThrowArgument(env, "callback", "a function");
  }
  if (!arguments.Flag(3, "owned", &owned)) return nullptr;
  State* state = State::Of(env);
  uint32_t id = state->next_watcher++;
  while (id == 0 || state->watchers.count(id) != 0) id = state->next_watcher++;
  auto& slot = state->watchers[id];
  slot = std::make_unique<Watcher>(env, id, fd, owned);
  const int failure = slot->Start(arguments[2], events);  // on failure the slot empties itself, now or later
  return failure == 0 ? Number(env, id) : ThrowErrno(env, failure, "uv_poll");
}

// updateWatcher(id, events)
static napi_value UpdateWatcher(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  int events = 0;
  if (!arguments.Integer(1, "events", 0, kReadable | kWritable, &events)) return nullptr;
  Watcher* watcher = Find(env, arguments);
  if (watcher == nullptr) return nullptr;
  const int failure = watcher->SetEvents(events);
  return failure == 0 ? Undefined(env) : ThrowErrno(env, failure, "uv_poll");
}

// referenceWatcher(id, referenced)
static napi_value ReferenceWatcher(napi_env env, napi_callback_info info) {
  Arguments<2> arguments(env, info);
  bool referenced = true;
  if (!arguments.Flag(1, "referenced", &referenced)) return nullptr;
  Watcher* watcher = Find(env, arguments);
  if (watcher == nullptr) return nullptr;
  watcher->SetReferenced(referenced);
  return Undefined(env);
}

// closeWatcher(id)
static napi_value CloseWatcher(napi_env env, napi_callback_info info) {
  Arguments<1> arguments(env, info);
  Watcher* watcher = Find(env, arguments);
  if (watcher == nullptr) return nullptr;
  watcher->Close();
  return Undefined(env);
}

void RegisterWatcher(napi_env env, napi_value exports) {
  Define(env, exports,
         {{"startWatcher", StartWatcher},
          {"updateWatcher", UpdateWatcher},
          {"referenceWatcher", ReferenceWatcher},
          {"closeWatcher", CloseWatcher}});
}

}  // namespace tendon
