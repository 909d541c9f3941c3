{
  "targets": [
    {
      "target_name": "tendon",
      "conditions": [
        [
          "OS=='linux'",
          {
            "sources": [
              "native/module.cc",
              "native/descriptor.cc",
              "native/memfd.cc",
              "native/mapping.cc",
              "native/open_beneath.cc",
              "native/futex.cc",
              "native/eventfd.cc",
              "native/clock.cc",
              "native/watcher.cc",
              "native/unix_socket.cc",
              "native/file_lock.cc",
              "native/pidfd.cc",
              "native/machine.cc"
            ],
            "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
            "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"],
            "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
            "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
            "ldflags": ["-Wl,-z,relro,-z,now"]
          },
          { "type": "none" }
        ]
      ]
    }
  ]
}
