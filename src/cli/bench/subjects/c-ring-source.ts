/**
 * The physical limit: a single-producer, single-consumer byte ring between two spinning processes. Positions
 * lie on cache lines of their own, each side caches the other's, a commit a message. The work is that of
 * `message.ts`: every byte of every message is written and varies, the reader checks length, sequence and
 * last word, and every byte when told to.
 *
 * It is compiled on the spot, as C or as C++ (whichever compiler there is), so it keeps to what both share.
 * Arguments: KIND BYTES SECONDS IN_FLIGHT VERIFY CPU_INITIATOR CPU_RESPONDER (-1: anywhere). One JSON line out.
 */
export const C_RING_SOURCE: string = String.raw`
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * A direction:  head line | tail line | records
 * A record:     u32 length | u32 zero | bytes, padded to 8; length PADDING: the rest up to the end is unused
 */
#define LINE 64
#define HEADER 8u
#define PADDING 0xffffffffu
#define WORDWISE 256u
#define SHIFTS 64u
#define SPINS_BEFORE_YIELD (1u << 14)

typedef struct {
  uint64_t head; char pad0[LINE - 8];
  uint64_t tail; char pad1[LINE - 8];
  char records[];
} Shared;

typedef struct {
  Shared *shared;
  uint64_t mask, mine, theirs; /* the own position; the other's when it was last looked at */
} End;

typedef struct { /* what the child tells its parent at the end */
  uint64_t count, faults, first_ns; double cpu_seconds; char pad[LINE];
} Report;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void pin(int cpu) {
  cpu_set_t set;
  if (cpu < 0) return;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) { perror("sched_setaffinity"); exit(1); }
}

static inline void relax(unsigned *spins) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
  if (++*spins % SPINS_BEFORE_YIELD == 0) sched_yield();
}

static inline uint64_t record_bytes(uint32_t length) { return HEADER + (((uint64_t)length + 7u) & ~(uint64_t)7u); }

/* Waits for room; returns where the message goes. */
static char *claim(End *e, uint32_t length) {
  const uint64_t need = record_bytes(length), size = e->mask + 1;
  uint64_t to_end = size - (e->mine & e->mask);
  const uint64_t skip = to_end < need ? to_end : 0;
  unsigned spins = 0;
  while (e->mine + skip + need - e->theirs > size) {
    e->theirs = __atomic_load_n(&e->shared->head, __ATOMIC_ACQUIRE);
    if (e->mine + skip + need - e->theirs > size) relax(&spins);
  }
  if (skip) {
    const uint32_t padding = PADDING;
    memcpy(e->shared->records + (e->mine & e->mask), &padding, 4);
    e->mine += skip;
  }
  memcpy(e->shared->records + (e->mine & e->mask), &length, 4);
  return e->shared->records + (e->mine & e->mask) + HEADER;
}

static inline void commit(End *e, uint32_t length) {
  e->mine += record_bytes(length);
  __atomic_store_n(&e->shared->tail, e->mine, __ATOMIC_RELEASE);
}

/* The next message, or NULL; what was read before is given back when nothing is left. */
static inline const char *peek(End *e, uint32_t *length) {
  for (;;) {
    if (e->mine == e->theirs) {
      __atomic_store_n(&e->shared->head, e->mine, __ATOMIC_RELEASE);
      e->theirs = __atomic_load_n(&e->shared->tail, __ATOMIC_ACQUIRE);
      if (e->mine == e->theirs) return NULL;
    }
    const char *at = e->shared->records + (e->mine & e->mask);
    memcpy(length, at, 4);
    if (*length != PADDING) return at + HEADER;
    e->mine += e->mask + 1 - (e->mine & e->mask);
  }
}

/* The reader gives back room every quarter of the ring, so that a writer never waits for a whole lap. */
static inline void consumed(End *e, uint32_t length) {
  const uint64_t before = e->mine;
  e->mine += record_bytes(length);
  if ((before ^ e->mine) & ((e->mask + 1) >> 2)) __atomic_store_n(&e->shared->head, e->mine, __ATOMIC_RELEASE);
}

static const char *await_message(End *e, uint32_t *length) {
  unsigned spins = 0;
  const char *at;
  while ((at = peek(e, length)) == NULL) relax(&spins);
  return at;
}

static char *pattern;

static void make_pattern(uint32_t bytes) {
  const size_t words = ((size_t)bytes + SHIFTS * 8) / 4;
  uint32_t state = 0x2545f491u;
  size_t i;
  pattern = (char *)malloc(words * 4);
  for (i = 0; i < words; i++) {
    state ^= state << 13; state ^= state >> 17; state ^= state << 5;
    memcpy(pattern + i * 4, &state, 4);
  }
}

static inline void write_message(char *to, uint32_t bytes, uint32_t seq, uint32_t last) {
  const uint32_t check = ~seq;
  uint32_t at;
  if (bytes <= WORDWISE) {
    uint32_t word = seq * 0x9e3779b1u;
    for (at = 8; at < bytes - 4; at += 4, word += 0x85ebca6bu) memcpy(to + at, &word, 4);
  } else {
    memcpy(to, pattern + (seq % SHIFTS) * 8, bytes);
  }
  memcpy(to, &seq, 4);
  memcpy(to + 4, &last, 4);
  memcpy(to + bytes - 4, &check, 4);
}

static inline int message_is(const char *from, uint32_t length, uint32_t bytes, uint32_t seq, int verify) {
  uint32_t found, check, at;
  if (length != bytes) return 0;
  memcpy(&found, from, 4);
  memcpy(&check, from + bytes - 4, 4);
  if (found != seq || check != ~seq) return 0;
  if (!verify) return 1;
  if (bytes > WORDWISE) return memcmp(from + 8, pattern + (seq % SHIFTS) * 8 + 8, bytes - 12) == 0;
  uint32_t word = seq * 0x9e3779b1u;
  for (at = 8; at < bytes - 4; at += 4, word += 0x85ebca6bu) {
    uint32_t have;
    memcpy(&have, from + at, 4);
    if (have != word) return 0;
  }
  return 1;
}

static inline uint32_t kind_of(const char *from) {
  uint32_t kind;
  memcpy(&kind, from + 4, 4);
  return kind;
}

static Shared *new_ring(uint64_t size) {
  void *at = mmap(NULL, sizeof(Shared) + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) { perror("mmap"); exit(1); }
  memset(at, 0, sizeof(Shared) + size);
  return (Shared *)at;
}

static End end_of(Shared *shared, uint64_t size) {
  End e;
  e.shared = shared; e.mask = size - 1; e.mine = 0; e.theirs = 0;
  return e;
}

static int by_value(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static void answer_all(End *in, End *out, uint32_t bytes, Report *report) {
  uint32_t kind;
  do {
    uint32_t length, seq = (uint32_t)report->count;
    const char *from = await_message(in, &length);
    if (!message_is(from, length, bytes, seq, 0)) report->faults++;
    kind = kind_of(from);
    memcpy(claim(out, bytes), from, bytes);
    commit(out, bytes);
    consumed(in, length);
    report->count++;
  } while (kind == 0);
}

static void send_all(End *out, uint32_t bytes, double seconds, Report *report) {
  uint32_t check_mask = bytes >= 16384 ? 0 : 255, last = 0;
  report->first_ns = now_ns();
  const uint64_t end_ns = report->first_ns + (uint64_t)(seconds * 1e9);
  while (!last) {
    const uint32_t seq = (uint32_t)report->count;
    last = (seq & check_mask) == check_mask && now_ns() >= end_ns;
    write_message(claim(out, bytes), bytes, seq, last);
    commit(out, bytes);
    report->count++;
  }
}

#define MAX_SAMPLES (1u << 23)

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  const char *kind = argv[1];
  const uint32_t bytes = (uint32_t)atoi(argv[2]);
  const double seconds = atof(argv[3]);
  const uint32_t in_flight = (uint32_t)atoi(argv[4]);
  const int verify = atoi(argv[5]), initiator_cpu = atoi(argv[6]), responder_cpu = atoi(argv[7]);
  const int one_way = strcmp(kind, "one-way") == 0;
  uint64_t size = 1u << 20;
  while (size < 4 * record_bytes(bytes)) size *= 2;

  Shared *there = new_ring(size), *back = new_ring(size);
  Report *child = (Report *)mmap(NULL, sizeof *child, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (child == MAP_FAILED) { perror("mmap"); return 1; }
  memset(child, 0, sizeof *child);
  make_pattern(bytes);
  End out = end_of(there, size), in = end_of(back, size), theirs = end_of(there, size), answers = end_of(back, size);

  /* One way the child sends and the parent receives; else the child answers. */
  const pid_t pid = fork();
  if (pid < 0) { perror("fork"); return 1; }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a killed parent leaves no spinning child */
    pin(one_way ? initiator_cpu : responder_cpu);
    if (one_way) send_all(&out, bytes, seconds, child);
    else answer_all(&theirs, &answers, bytes, child);
    child->cpu_seconds = cpu_seconds();
    _exit(0);
  }
  pin(one_way ? responder_cpu : initiator_cpu);

  uint64_t count = 0, faults = 0, samples = 0, first_ns = now_ns(), last_ns;
  uint32_t length, last = 0;
  uint32_t *laps = NULL;
  if (one_way) {
    while (!last) {
      const char *from = await_message(&theirs, &length);
      if (!message_is(from, length, bytes, (uint32_t)count, verify)) faults++;
      last = kind_of(from);
      consumed(&theirs, length);
      count++;
    }
    last_ns = now_ns();
  } else {
    const uint64_t end_ns = first_ns + (uint64_t)(seconds * 1e9);
    uint64_t sent = 0, before_ns = first_ns;
    laps = (uint32_t *)malloc(sizeof(uint32_t) * MAX_SAMPLES);
    if (laps == NULL) return 1;
    int over = 0;
    while (!last) {
      while (!over && sent - count < in_flight) {
        write_message(claim(&out, bytes), bytes, (uint32_t)sent++, 0);
        commit(&out, bytes);
      }
      if (over && sent == count) { /* the last one travels alone */
        write_message(claim(&out, bytes), bytes, (uint32_t)sent++, 1);
        commit(&out, bytes);
      }
      const char *from = await_message(&in, &length);
      if (!message_is(from, length, bytes, (uint32_t)count, 1)) faults++;
      last = kind_of(from);
      consumed(&in, length);
      count++;
      if (in_flight == 1 || (count & 63) == 0) {
        const uint64_t t = now_ns();
        if (in_flight == 1 && samples < MAX_SAMPLES) laps[samples++] = (uint32_t)(t - before_ns);
        before_ns = t;
        over = t >= end_ns;
      }
    }
    last_ns = now_ns();
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) return 1;
  if (one_way) { first_ns = child->first_ns; faults += child->count != count; }
  else faults += child->faults;
  printf("{\"count\":%llu,\"seconds\":%.9f,\"cpuSeconds\":%.6f,\"faults\":%llu", (unsigned long long)count,
         (double)(last_ns - first_ns) / 1e9, cpu_seconds() + child->cpu_seconds, (unsigned long long)faults);
  if (samples >= 1000) {
    qsort(laps, samples, sizeof *laps, by_value);
    printf(",\"percentiles\":{\"p50\":%.3f,\"p99\":%.3f,\"p99.9\":%.3f}", laps[samples / 2] / 1e3,
           laps[samples * 99 / 100] / 1e3, laps[samples * 999 / 1000] / 1e3);
  }
  printf("}\n");
  return 0;
}
`;
