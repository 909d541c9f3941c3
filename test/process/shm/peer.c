/*
 * A peer of `shm:` in C11, written from docs/reference/wire/channel.md and ring.md and nothing else: it shares no code
 * with the library, so it can tell whether the pages are enough.
 *
 *   peer connect SOCKET COUNT    is the client: sends COUNT frames, checks COUNT frames, says goodbye
 *   peer listen SOCKET COUNT     is the listener for one client, then the same
 *   peer echo SOCKET             is the client: returns each frame until the listener says goodbye
 *
 * Frames are those of traffic.ts: number n of a direction has a length and a content that both sides can compute, so
 * loss, doubling, reordering and any wrong byte show. What it saw goes to standard output as one line of JSON; what is
 * wrong goes to standard error, with exit code 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { DOORBELL = 0x01, HELLO = 0x10, WELCOME = 0x11, REFUSE = 0x12, MEMORY = 0x20, MEMORY_READY = 0x21 };
enum { FRAME_ON_SOCKET = 0x30, SWITCH_TO_MEMORY = 0x31, ASK_SOCKET = 0x32, ASK_MEMORY = 0x33 };
enum { PING = 0x40, PONG = 0x41, GOODBYE = 0x60 };
enum { PAD = 0, FRAME = 1, FIRST = 2, MIDDLE = 3, LAST = 4, MARKER = 5 };
enum { TAIL = 128, HEAD = 256, CONSUMER_PARKED = 384, PRODUCER_PARKED = 512, DATA = 640 };

#define MAX_FRAME (1u << 20)
#define RING_BYTES (64u << 10) /* of the listener: small, so that it wraps and fills all the time */
#define TMPFS 0x01021994
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define DEADLINE_MS 60000

static void fail(const char *what) {
  fprintf(stderr, "peer.c: %s (errno %d: %s)\n", what, errno, strerror(errno));
  exit(1);
}

static void check(bool holds, const char *what) {
  if (!holds) fail(what);
}

static uint32_t get32(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

/* --- what the frames are: the same as in traffic.ts ------------------------------------------------------------- */

#define SHIFTS 4099u
static uint8_t pattern[SHIFTS + MAX_FRAME];

static uint32_t scramble(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  return x ^ x << 5;
}

static void make_pattern(void) {
  uint32_t random = 12345;
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)((random = scramble(random)) >> 8);
}

/* direction 0: from the client; 1: from the listener */
static uint32_t length_of(uint32_t number, uint32_t direction) {
  uint32_t random = scramble(scramble(number * 2654435761u + direction * 977u + 1));
  uint32_t size = scramble(random) >> 4;
  uint32_t kind = random % 1000;
  if (kind < 900) return size % 512;
  if (kind < 990) return size % 8192;
  if (kind < 999) return size % 40000;
  return size % 300000;
}

static const uint8_t *content_of(uint32_t number) {
  return pattern + (number * 7919u) % SHIFTS;
}

/* --- the rings --------------------------------------------------------------------------------------------------- */

struct ring {
  uint8_t *control;
  uint8_t *data;
  uint32_t capacity;
  uint32_t position;  /* our own: never read back [RING-4] */
  uint32_t other;     /* the last position of the other side that was found sound */
  uint32_t published; /* what the other side can see of ours */
};

static _Atomic uint32_t *word(struct ring *ring, int offset) {
  return (_Atomic uint32_t *)(void *)(ring->control + offset);
}

static void attach(struct ring *ring, uint8_t *memory, uint32_t offset, uint32_t capacity) {
  const uint8_t *at = memory + offset;
  check(get32(at) == 0x474e5254, "the ring has no magic");
  check(get32(at + 4) == 1 && get32(at + 8) == 1, "the ring has another version or form");
  check(get32(at + 12) == capacity, "the ring has another capacity than MEMORY says");
  ring->control = memory + offset;
  ring->data = ring->control + DATA;
  ring->capacity = capacity;
  ring->position = ring->other = ring->published = atomic_load(word(ring, TAIL));
  check(atomic_load(word(ring, HEAD)) == ring->position && ring->position % 8 == 0, "a new ring with unequal positions");
}

static void format(uint8_t *memory, uint32_t offset, uint32_t capacity) {
  uint8_t *at = memory + offset;
  const uint32_t start = 0xfffff000u; /* the positions wrap soon */
  put32(at + 4, 1);
  put32(at + 8, 1);
  put32(at + 12, capacity);
  put32(at + TAIL, start);
  put32(at + HEAD, start);
  atomic_store((_Atomic uint32_t *)(void *)at, 0x474e5254u);
}

static struct {
  uint64_t parks, doorbells, rang, pads, parts, socket_sent, socket_received, switches, pings;
} seen;

static int line = -1; /* the life-line */
static void ring_doorbell(void);

/* [RING-4]: the consumer's head lies between the last one and what was published */
static uint32_t room(struct ring *ring) {
  uint32_t head = atomic_load(word(ring, HEAD));
  check(head % 8 == 0 && head - ring->other <= ring->published - ring->other, "a head that no correct consumer writes");
  ring->other = head;
  return ring->capacity - (ring->position - head);
}

static uint32_t bytes_wanted(const struct ring *ring, uint32_t length) {
  uint32_t size = (length + 15) & ~7u;
  uint32_t to_end = ring->capacity - (ring->position & (ring->capacity - 1));
  return size <= to_end ? size : to_end + size;
}

static void publish(struct ring *ring) {
  if (ring->published == ring->position) return;
  ring->published = ring->position;
  atomic_store(word(ring, TAIL), ring->position);
  /* [RING-10] */
  if (atomic_load(word(ring, CONSUMER_PARKED)) != 0 && atomic_exchange(word(ring, CONSUMER_PARKED), 0) != 0)
    ring_doorbell();
}

/* The body of a claimed record; NULL when the ring is full. The caller moves the position by `bytes_wanted`. */
static uint8_t *claim(struct ring *ring, uint32_t length, uint32_t kind) {
  uint32_t wanted = bytes_wanted(ring, length);
  if (ring->capacity - (ring->position - ring->other) < wanted && room(ring) < wanted) return NULL;
  uint32_t at = ring->position & (ring->capacity - 1);
  uint32_t size = (length + 15) & ~7u;
  if (wanted != size) { /* [RING-8] */
    put32(ring->data + at, ring->capacity - at - 8);
    put32(ring->data + at + 4, PAD);
    at = 0;
    seen.pads++;
  }
  put32(ring->data + at, length);
  put32(ring->data + at + 4, kind);
  ring->position += wanted;
  return ring->data + at + 8;
}

/* --- the life-line ------------------------------------------------------------------------------------------------ */

static uint8_t *outgoing;
static size_t out_bytes, out_room;
static uint8_t *incoming;
static size_t in_bytes, in_room;
static int passed[4];
static int passed_count;
static bool ended;

static void grow(uint8_t **bytes, size_t *room_, size_t needed) {
  if (needed <= *room_) return;
  *room_ = needed * 2;
  *bytes = realloc(*bytes, *room_);
  check(*bytes != NULL, "out of memory");
}

static void flush(void) {
  size_t done = 0;
  while (done < out_bytes) {
    ssize_t sent = send(line, outgoing + done, out_bytes - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (sent < 0 && errno == EPIPE) { /* refused before it spoke: what they said is still there to read */
      out_bytes = 0;
      return;
    }
    check(sent > 0, "the life-line takes no bytes");
    done += (size_t)sent;
  }
  memmove(outgoing, outgoing + done, out_bytes - done);
  out_bytes -= done;
}

static void say(uint8_t type, const void *body, uint32_t length) {
  grow(&outgoing, &out_room, out_bytes + 8 + length);
  uint8_t *at = outgoing + out_bytes;
  memset(at, 0, 8);
  at[0] = type;
  put32(at + 4, length);
  if (length > 0) memcpy(at + 8, body, length);
  out_bytes += 8 + length;
  flush();
}

/* [CHANNEL-22]: bytes under way wake the sleeper anyway; so does a socket that is full */
static void ring_doorbell(void) {
  static const uint8_t bell = DOORBELL;
  seen.rang++;
  if (out_bytes == 0) (void)!send(line, &bell, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void hear(void) {
  for (;;) {
    grow(&incoming, &in_room, in_bytes + 65536);
    struct iovec into = {incoming + in_bytes, 65536};
    union {
      struct cmsghdr align;
      char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(line, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      ended = true;
      return;
    }
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item != NULL; item = CMSG_NXTHDR(&message, item)) {
      if (item->cmsg_type != SCM_RIGHTS) continue;
      for (size_t n = 0; n < (item->cmsg_len - CMSG_LEN(0)) / sizeof(int) && passed_count < 4; n++)
        memcpy(&passed[passed_count++], CMSG_DATA(item) + n * sizeof(int), sizeof(int));
    }
    in_bytes += (size_t)count;
    if (count < 65536) return;
  }
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_on_line(void) {
  struct pollfd watch = {line, (short)(POLLIN | (out_bytes > 0 ? POLLOUT : 0)), 0};
  check(poll(&watch, 1, DEADLINE_MS) != 0, "nothing woke this side");
  flush();
}

static size_t taken; /* bytes of `incoming` that are done with */

/* The next whole message; doorbells on the way are counted. */
static bool next_message(uint8_t *type, uint8_t **body, uint32_t *length) {
  while (taken < in_bytes && incoming[taken] == DOORBELL) {
    taken++;
    seen.doorbells++;
  }
  if (in_bytes - taken < 8) return false;
  uint8_t *at = incoming + taken;
  check(at[0] != 0 && at[1] == 0 && at[2] == 0 && at[3] == 0, "a message header that is not clean");
  *type = at[0];
  *length = get32(at + 4);
  check(*length <= (*type == FRAME_ON_SOCKET ? MAX_FRAME : 1024), "a body beyond its limit");
  if (in_bytes - taken < 8 + (size_t)*length) return false;
  *body = at + 8;
  taken += 8 + (size_t)*length;
  return true;
}

static void forget_taken(void) {
  memmove(incoming, incoming + taken, in_bytes - taken);
  in_bytes -= taken;
  taken = 0;
}

static uint8_t *expect(uint8_t wanted, uint32_t least) {
  uint64_t give_up = now_ms() + DEADLINE_MS;
  uint8_t type, *body;
  uint32_t length;
  forget_taken();
  while (!next_message(&type, &body, &length)) {
    check(!ended, "the other side hung up during the handshake");
    check(now_ms() < give_up, "the handshake takes too long");
    sleep_on_line();
    hear();
  }
  if (type != wanted) fprintf(stderr, "peer.c: type 0x%02x instead of 0x%02x\n", type, wanted);
  check(type == wanted && length >= least, "another message than expected");
  return body;
}

/* --- two ways, one order ------------------------------------------------------------------------------------------ */

struct item { /* a frame by socket, or (bytes NULL) the switch to memory */
  struct item *next;
  uint8_t *bytes;
  uint32_t length;
};
static struct item *inbox, **inbox_end = &inbox;

static struct ring up, down; /* the client's, the listener's */
static struct ring *out, *in;
static bool client;
static bool by_socket = true;    /* our frames */
static bool wants_socket = true; /* where our next frame should go */
static bool from_socket = true;  /* theirs */
static bool goodbye;

static uint32_t sent_count, received_count;
static uint32_t part_at;    /* bytes of our frame under way that are in the ring */
static uint8_t *assembly;   /* their large frame under way */
static uint32_t assembled, total;
static bool echo;
static struct item *echoes, **echoes_end = &echoes;
static uint64_t echoes_waiting;

static void push(struct item ***end, const uint8_t *bytes, uint32_t length) {
  struct item *item = calloc(1, sizeof *item);
  check(item != NULL, "out of memory");
  if (bytes != NULL) {
    item->bytes = malloc(length + 1);
    check(item->bytes != NULL, "out of memory");
    memcpy(item->bytes, bytes, length);
  }
  item->length = length;
  **end = item;
  *end = &item->next;
}

static void pop(struct item **first, struct item ***end) {
  struct item *item = *first;
  *first = item->next;
  if (*first == NULL) *end = first;
  free(item->bytes);
  free(item);
}

static void received(const uint8_t *bytes, uint32_t length) {
  if (echo) {
    push(&echoes_end, bytes, length);
    echoes_waiting++;
  } else {
    check(length == length_of(received_count, client ? 1 : 0), "a frame of the wrong length");
    check(memcmp(bytes, content_of(received_count), length) == 0, "a frame with the wrong content");
  }
  received_count++;
}

static void obey(uint8_t type, uint8_t *body, uint32_t length) {
  switch (type) {
    case FRAME_ON_SOCKET:
      push(&inbox_end, body, length);
      seen.socket_received++;
      break;
    case SWITCH_TO_MEMORY:
      push(&inbox_end, NULL, 0);
      break;
    case ASK_SOCKET:
      wants_socket = true;
      break;
    case ASK_MEMORY:
      wants_socket = false;
      break;
    case PING:
      seen.pings++;
      say(PONG, body, 4);
      break;
    case PONG:
      break;
    case GOODBYE:
      goodbye = true;
      break;
    default:
      fprintf(stderr, "peer.c: type 0x%02x\n", type);
      fail("a message that has no place here");
  }
}

static void listen_to_line(void) {
  uint8_t type, *body;
  uint32_t length;
  hear();
  while (next_message(&type, &body, &length)) obey(type, body, length);
  forget_taken();
}

/* Changes the way of our frames where that was asked for, between two frames. */
static bool settle_way(void) {
  if (by_socket == wants_socket) return true;
  if (part_at > 0) return true; /* the frame under way is finished where it began */
  if (wants_socket) {
    if (claim(out, 0, MARKER) == NULL) return false;
    publish(out);
  } else {
    say(SWITCH_TO_MEMORY, NULL, 0);
  }
  by_socket = wants_socket;
  seen.switches++;
  return true;
}

/* @returns whether the whole frame is on its way */
static bool send_frame(const uint8_t *bytes, uint32_t length) {
  if (!settle_way()) return false;
  if (by_socket) {
    if (out_bytes > 256 * 1024) return false;
    say(FRAME_ON_SOCKET, bytes, length);
    seen.socket_sent++;
    return true;
  }
  uint32_t most = out->capacity / 4 - 8; /* [RING-7] */
  if (length <= most) {
    uint8_t *body = claim(out, length, FRAME);
    if (body == NULL) return false;
    memcpy(body, bytes, length);
    return true;
  }
  while (part_at < length) { /* [CHANNEL-20] */
    uint32_t header = part_at == 0 ? 8 : 0;
    uint32_t count = length - part_at < most - header ? length - part_at : most - header;
    uint32_t kind = part_at == 0 ? FIRST : part_at + count == length ? LAST : MIDDLE;
    uint8_t *body = claim(out, header + count, kind);
    if (body == NULL) return false;
    if (header > 0) {
      put32(body, length);
      put32(body + 4, 0);
    }
    memcpy(body + header, bytes + part_at, count);
    part_at += count;
    seen.parts++;
  }
  part_at = 0;
  return true;
}

static uint32_t to_send;

static bool something_to_send(void) {
  return echo ? echoes != NULL : sent_count < to_send;
}

static uint32_t next_length(void) {
  return echo ? echoes->length : length_of(sent_count, client ? 0 : 1);
}

static bool send_some(void) {
  bool moved = false;
  for (int n = 0; n < 32 && something_to_send(); n++) {
    const uint8_t *bytes = echo ? echoes->bytes : content_of(sent_count);
    if (!send_frame(bytes, next_length())) break;
    if (echo) {
      pop(&echoes, &echoes_end);
      echoes_waiting--;
    }
    sent_count++;
    moved = true;
  }
  uint32_t before = out->published;
  publish(out); /* one store for the batch [RING-5] */
  return moved || before != out->published;
}

static void give_back(struct ring *ring) {
  if (ring->published == ring->position) return;
  ring->published = ring->position;
  atomic_store(word(ring, HEAD), ring->position);
  /* [RING-11] */
  uint32_t wanted = atomic_load(word(ring, PRODUCER_PARKED));
  if (wanted == 0) return;
  uint32_t unread = atomic_load(word(ring, TAIL)) - ring->position;
  if (ring->capacity - unread >= wanted && atomic_exchange(word(ring, PRODUCER_PARKED), 0) != 0) ring_doorbell();
}

static void take_record(uint32_t kind, const uint8_t *body, uint32_t length) {
  if (kind == FRAME) {
    check(total == 0, "a frame between the parts of another");
    received(body, length);
  } else if (kind == FIRST) {
    check(total == 0 && length > 8, "FIRST in the wrong place");
    total = get32(body);
    check(total <= MAX_FRAME && total > length - 8, "FIRST with an impossible size");
    assembled = length - 8;
    memcpy(assembly, body + 8, assembled);
  } else if (kind == MIDDLE || kind == LAST) {
    check(total > 0 && length > 0 && assembled + length <= total, "a part in the wrong place");
    memcpy(assembly + assembled, body, length);
    assembled += length;
    check((kind == LAST) == (assembled == total), "parts that do not add up");
    if (kind != LAST) return;
    total = 0;
    received(assembly, assembled);
  } else {
    check(kind == MARKER && total == 0, "a record of unknown kind");
    from_socket = true;
    seen.switches++;
  }
}

static bool receive_some(void) {
  bool moved = false;
  while (from_socket && inbox != NULL && echoes_waiting < 64) {
    moved = true;
    if (inbox->bytes == NULL) from_socket = false;
    else received(inbox->bytes, inbox->length);
    pop(&inbox, &inbox_end);
  }
  if (from_socket || echoes_waiting >= 64) return moved;
  uint32_t tail = atomic_load(word(in, TAIL));
  /* [RING-4] */
  check(tail % 8 == 0 && tail - in->other <= in->published + in->capacity - in->other, "a tail that no correct producer writes");
  in->other = tail;
  while (in->position != tail && !from_socket) {
    uint32_t at = in->position & (in->capacity - 1);
    uint32_t length = get32(in->data + at);
    uint32_t kind = get32(in->data + at + 4);
    uint32_t size = (length + 15) & ~7u;
    /* [RING-9] */
    check(kind <= 255 && size <= tail - in->position && size <= in->capacity - at, "a record out of bounds");
    if (kind == PAD) check(at + size == in->capacity, "padding that leads nowhere");
    else check(length <= in->capacity / 4 - 8, "a record larger than a quarter");
    if (kind != PAD) take_record(kind, in->data + at + 8, length);
    in->position += size;
    moved = true;
    if (in->position - in->published >= in->capacity / 4) give_back(in); /* [RING-12] */
  }
  give_back(in);
  return moved;
}

/* Sets the parked words, looks once more, and sleeps [CHANNEL-22] [CHANNEL-23]. */
static void park(void) {
  bool awake = false;
  bool reading = !from_socket && echoes_waiting < 64;
  bool writing = something_to_send() && !(by_socket && wants_socket);
  if (reading) {
    atomic_store(word(in, CONSUMER_PARKED), 1);
    seen.parks++;
    awake = atomic_load(word(in, TAIL)) != in->position;
  }
  if (writing && !awake) {
    uint32_t most = out->capacity / 4 - 8;
    uint32_t left = next_length() - part_at;
    uint32_t wanted = bytes_wanted(out, left < most - 8 ? left + 8 : most);
    atomic_store(word(out, PRODUCER_PARKED), wanted);
    seen.parks++;
    awake = room(out) >= wanted;
  }
  if (!awake) sleep_on_line();
  if (reading) atomic_store(word(in, CONSUMER_PARKED), 0);
  if (writing) atomic_store(word(out, PRODUCER_PARKED), 0);
}

static bool done(void) {
  if (echo) return goodbye && echoes == NULL;
  return sent_count == to_send && received_count == to_send;
}

static void traffic(void) {
  for (uint32_t lap = 0; !done(); lap++) {
    bool moved = send_some();
    moved |= receive_some();
    if (moved && lap % 64 != 0) continue;
    listen_to_line();
    check(!ended || goodbye, "the other side is gone without a goodbye");
    if (goodbye && !echo) fail("goodbye in the middle");
    if (!moved && inbox == NULL && !done()) {
      settle_way();
      park();
      listen_to_line();
    }
  }
}

/* --- the handshake, from both sides ------------------------------------------------------------------------------- */

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  check(strlen(path) < sizeof address.sun_path, "the socket path is too long");
  strcpy(address.sun_path, path);
  return address;
}

static void hello(const char *path) {
  client = true;
  line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = address_of(path);
  check(line >= 0 && connect(line, (struct sockaddr *)&address, sizeof address) == 0, "connect");
  uint8_t body[28] = "TNDNCHAN";
  put32(body + 8, 1);
  put32(body + 12, 1);
  put32(body + 16, 1); /* memory; no broadcast */
  put32(body + 20, MAX_FRAME);
  put32(body + 24, 0);
  say(HELLO, body, sizeof body);
  uint8_t *welcome = expect(WELCOME, 12);
  check(get32(welcome) == 1, "another version than the only one");
  check(get32(welcome + 4) == 1, "no memory, or features that were not offered");
  check(get32(welcome + 8) <= MAX_FRAME, "a larger limit than ours");
  uint8_t *offer = expect(MEMORY, 20);
  uint32_t bytes = get32(offer), up_at = get32(offer + 4), up_ring = get32(offer + 8);
  uint32_t down_at = get32(offer + 12), down_ring = get32(offer + 16);
  check(passed_count == 1, "MEMORY with other than one descriptor");
  int fd = passed[--passed_count];
  /* [CHANNEL-13] */
  check((fcntl(fd, F_GET_SEALS) & SEALS) == SEALS, "a seal is missing");
  struct stat status;
  check(fstat(fd, &status) == 0 && (uint64_t)status.st_size == bytes, "memory of another size");
  struct statfs where;
  check(fstatfs(fd, &where) == 0 && where.f_type == TMPFS, "memory that is not on tmpfs");
  check((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "the descriptor survives exec");
  /* [CHANNEL-14] */
  check(up_at % 64 == 0 && down_at % 64 == 0, "rings that are not aligned");
  check((up_ring & (up_ring - 1)) == 0 && (down_ring & (down_ring - 1)) == 0, "rings of no power of two");
  check(up_at + (uint64_t)DATA + up_ring <= down_at && down_at + (uint64_t)DATA + down_ring <= bytes, "rings that overlap");
  uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(memory != MAP_FAILED, "mmap");
  close(fd);
  attach(&up, memory, up_at, up_ring);
  attach(&down, memory, down_at, down_ring);
  say(MEMORY_READY, NULL, 0);
}

static void welcome(const char *path) {
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = address_of(path);
  umask(0177); /* [CHANNEL-3] */
  check(door >= 0 && bind(door, (struct sockaddr *)&address, sizeof address) == 0 && listen(door, 8) == 0, "listen");
  puts("listening");
  fflush(stdout);
  line = accept4(door, NULL, NULL, SOCK_CLOEXEC);
  check(line >= 0, "accept");
  unlink(path);
  close(door);
  uint8_t *greeting = expect(HELLO, 28);
  check(memcmp(greeting, "TNDNCHAN", 8) == 0, "HELLO without its magic");
  check(get32(greeting + 8) <= 1 && get32(greeting + 12) >= 1, "no common version");
  check((get32(greeting + 16) & 1) != 0, "a client without memory");
  uint8_t body[12];
  put32(body, 1);
  put32(body + 4, 1);
  put32(body + 8, MAX_FRAME);
  say(WELCOME, body, sizeof body);
  uint32_t each = (DATA + RING_BYTES + 63) & ~63u;
  uint32_t bytes = 2 * each;
  int fd = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  check(fd >= 0 && ftruncate(fd, bytes) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0, "memfd");
  uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(memory != MAP_FAILED, "mmap");
  format(memory, 0, RING_BYTES);
  format(memory, each, RING_BYTES);
  attach(&up, memory, 0, RING_BYTES); /* now: once the client has it, it may write */
  attach(&down, memory, each, RING_BYTES);
  uint8_t offer[28] = {MEMORY};
  put32(offer + 4, 20);
  put32(offer + 8, bytes);
  put32(offer + 12, 0);
  put32(offer + 16, RING_BYTES);
  put32(offer + 20, each);
  put32(offer + 24, RING_BYTES);
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec from = {offer, sizeof offer};
  struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *item = CMSG_FIRSTHDR(&message);
  item->cmsg_level = SOL_SOCKET;
  item->cmsg_type = SCM_RIGHTS;
  item->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(item), &fd, sizeof(int));
  check(sendmsg(line, &message, MSG_NOSIGNAL) == (ssize_t)sizeof offer, "sendmsg");
  close(fd);
  expect(MEMORY_READY, 0);
}

int main(int argc, char **argv) {
  check(argc >= 3, "usage: peer connect|listen|echo SOCKET [COUNT]");
  echo = strcmp(argv[1], "echo") == 0;
  to_send = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
  make_pattern();
  assembly = malloc(MAX_FRAME);
  check(assembly != NULL, "out of memory");
  if (strcmp(argv[1], "listen") == 0) welcome(argv[2]);
  else hello(argv[2]);
  out = client ? &up : &down;
  in = client ? &down : &up;
  wants_socket = false;
  settle_way();
  traffic();
  publish(out);
  if (!goodbye) say(GOODBYE, NULL, 0); /* who said it first listens no more */
  while (out_bytes > 0) sleep_on_line();
  printf("{\"sent\":%u,\"received\":%u,\"parks\":%llu,\"doorbells\":%llu,\"rang\":%llu,\"pads\":%llu,\"parts\":%llu,"
         "\"socketSent\":%llu,\"socketReceived\":%llu,\"switches\":%llu,\"pings\":%llu}\n",
         sent_count, received_count, (unsigned long long)seen.parks, (unsigned long long)seen.doorbells,
         (unsigned long long)seen.rang, (unsigned long long)seen.pads, (unsigned long long)seen.parts,
         (unsigned long long)seen.socket_sent, (unsigned long long)seen.socket_received,
         (unsigned long long)seen.switches, (unsigned long long)seen.pings);
  return 0;
}
