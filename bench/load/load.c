/*
 * The load client: one thread (but for taking files away), epoll, keep-alive, bodies by sendfile, answers dropped inside the kernel. It
 * must cost so little that what is measured is the server; `sink.c` and the suite's head-room trial show by how much.
 *
 *     load PLAN
 *
 * The plan is a text file; `bench/load/plan.ts` writes it and says what each line means. After the warm-up one line goes to standard
 * output, and the measured part begins when a line comes in on standard input, so that the suite can look at its clocks in between.
 * The result is one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/** Instead of the number of a client and its connection. */
#define UNLINKED UINT64_MAX

enum { MAX_PORTS = 4, MAX_STEPS = 6, HEAD_ROOM = 8192, ANSWER_ROOM = 16384, PACE_MS = 20, MARK = 16 };

typedef enum { BODY_NONE, BODY_TEXT, BODY_UNIQUE, BODY_FILE } BodyKind;

typedef struct {
  char method[16], target[1024], headers[4096], text[4096], file[1024];
  int port;
  BodyKind body;
  int64_t size;
  int64_t range_length, range_of;
  int64_t rate;
  int captures, marks;
} Step;

typedef struct {
  float *at;
  size_t count, room;
} Times;

typedef struct {
  int fd;
  int watched;
} Link;

typedef enum { IDLE, SENDING, READING_HEAD, READING_BODY, UNLINKING } Phase;

typedef struct {
  int number;
  Link links[MAX_PORTS];
  Phase phase;
  int step;
  int retried;
  int source[MAX_STEPS];
  int64_t next_line;
  char upload[2048], media[512];
  char head[HEAD_ROOM];
  size_t head_length, head_sent;
  char *unique, mark[MARK];
  int64_t body_sent;
  char answer[ANSWER_ROOM];
  size_t answer_length;
  int64_t body_left;
  int is_chunked, must_close, status;
  double cycle_from, step_from;
  double busy;
  int64_t cycles;
  int unlink_failure;
} Client;

static struct {
  int ports[MAX_PORTS], port_count;
  int clients;
  int64_t warmup, total;
  double seconds;
  uint64_t seed;
  Step steps[MAX_STEPS];
  int step_count;
  char **unlinks;
  int unlink_count;
  int pauses;
  char **lines;
  int64_t line_count;
} plan;

static struct {
  int64_t started, limit, finished, requests, out, in, errors, reconnects;
  double from, until;
  int is_over;
  Times steps[MAX_STEPS], cycles;
  char first_error[512];
} run;

static Client *clients;
static int poll_fd, unlinked[2];
static uint64_t serial;
static char *filler;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t draw(void) {
  // xorshift64*: only has to differ
  plan.seed ^= plan.seed >> 12;
  plan.seed ^= plan.seed << 25;
  plan.seed ^= plan.seed >> 27;
  return plan.seed * 2685821657736338717ULL;
}

static void note(Times *times, double seconds) {
  if (times->count == times->room) {
    times->room = times->room ? times->room * 2 : 1024;
    times->at = realloc(times->at, times->room * sizeof *times->at);
  }
  times->at[times->count++] = (float)seconds;
}

// --- the plan ---------------------------------------------------------------------------------------------------------------------

static void read_targets(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  char line[4096];
  int64_t room = 0;
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    if (plan.line_count == room) plan.lines = realloc(plan.lines, (room = room ? room * 2 : 256) * sizeof *plan.lines);
    plan.lines[plan.line_count++] = strdup(line);
  }
  fclose(file);
}

static void read_plan(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  char line[8192];
  Step *step = NULL;
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *rest = strchr(line, ' ');
    if (rest) *rest++ = 0;
    else rest = line + strlen(line);
    if (!strcmp(line, "port")) plan.ports[plan.port_count++] = atoi(rest);
    else if (!strcmp(line, "clients")) plan.clients = atoi(rest);
    else if (!strcmp(line, "warmup")) plan.warmup = atoll(rest);
    else if (!strcmp(line, "total")) plan.total = atoll(rest);
    else if (!strcmp(line, "seconds")) plan.seconds = atof(rest);
    else if (!strcmp(line, "seed")) plan.seed = strtoull(rest, NULL, 10) | 1;
    else if (!strcmp(line, "targets")) read_targets(rest);
    else if (!strcmp(line, "unlink")) {
      plan.unlinks = realloc(plan.unlinks, (plan.unlink_count + 1) * sizeof *plan.unlinks);
      plan.unlinks[plan.unlink_count++] = strdup(rest);
    }
    else if (!strcmp(line, "pause")) plan.pauses = 1;
    else if (!strcmp(line, "step")) {
      step = &plan.steps[plan.step_count++];
      if (sscanf(rest, "%15s %d %1023s", step->method, &step->port, step->target) != 3) die("step");
    } else if (step && !strcmp(line, "header")) {
      strcat(step->headers, rest);
      strcat(step->headers, "\r\n");
    } else if (step && !strcmp(line, "text")) {
      step->body = BODY_TEXT;
      snprintf(step->text, sizeof step->text, "%s", rest);
      step->size = strlen(step->text);
    } else if (step && !strcmp(line, "unique")) {
      step->body = BODY_UNIQUE;
      step->size = atoll(rest);
    } else if (step && !strcmp(line, "file")) {
      step->body = BODY_FILE;
      snprintf(step->file, sizeof step->file, "%s", rest);
    } else if (step && !strcmp(line, "range")) {
      long long length, of;
      if (sscanf(rest, "%lld %lld", &length, &of) != 2) die("range");
      step->range_length = length;
      step->range_of = of;
    } else if (step && !strcmp(line, "rate")) step->rate = atoll(rest);
    else if (step && !strcmp(line, "mark")) step->marks = 1;
    else if (step && !strcmp(line, "capture")) step->captures = 1;
    else if (*line) {
      fprintf(stderr, "what is %s?\n", line);
      exit(2);
    }
  }
  fclose(file);
}

/** Replaces {c} client, {n} serial, {line}, {upload} and {media}. */
static void fill(char *into, size_t room, const char *form, Client *client) {
  size_t used = 0;
  while (*form && used + 1 < room) {
    char value[2048];
    const char *name = NULL;
    if (*form == '{') {
      if (!strncmp(form, "{c}", 3)) snprintf(value, sizeof value, "%d", client->number), name = "{c}";
      else if (!strncmp(form, "{n}", 3)) snprintf(value, sizeof value, "%llu", (unsigned long long)++serial), name = "{n}";
      else if (!strncmp(form, "{upload}", 8)) snprintf(value, sizeof value, "%s", client->upload), name = "{upload}";
      else if (!strncmp(form, "{media}", 7)) snprintf(value, sizeof value, "%s", client->media), name = "{media}";
      else if (!strncmp(form, "{line}", 6)) {
        // Each client has lines of its own, so that two never send to the same place at once.
        int64_t index = client->number + client->next_line++ * plan.clients;
        snprintf(value, sizeof value, "%s", plan.lines[index % plan.line_count]), name = "{line}";
      }
    }
    if (!name) {
      into[used++] = *form++;
      continue;
    }
    used += snprintf(into + used, room - used, "%s", value);
    form += strlen(name);
  }
  into[used < room ? used : room - 1] = 0;
}

// --- connections ------------------------------------------------------------------------------------------------------------------

static void watch(Link *link, Client *client, int events) {
  struct epoll_event event = { .events = events, .data.u64 = (uint64_t)client->number << 8 | (link - client->links) };
  if (link->watched == events) return;
  if (epoll_ctl(poll_fd, link->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, link->fd, &event)) die("epoll_ctl");
  link->watched = events;
}

static void hang_up(Link *link) {
  if (link->fd > 0) close(link->fd);
  link->fd = link->watched = 0;
}

static void dial(Link *link, int port) {
  link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  // On loopback a connection is made at once or not at all.
  if (connect(link->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
  int on = 1;
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(link->fd, F_SETFL, O_NONBLOCK);
}

// --- one request ------------------------------------------------------------------------------------------------------------------

static void begin_step(Client *client);
static void end_cycle(Client *client);

static Step *step_of(Client *client) { return &plan.steps[client->step]; }
static Link *link_of(Client *client) { return &client->links[step_of(client)->port]; }

static void begin_cycle(Client *client) {
  int is_full = run.limit ? run.started >= run.limit : now() >= run.until;
  if (is_full) {
    client->phase = IDLE;
    return;
  }
  run.started++;
  client->step = 0;
  client->cycle_from = now();
  begin_step(client);
}

static void send_on(Client *client);

static void draw_mark(char *into) {
  uint64_t mark[2] = { ++serial, draw() };
  memcpy(into, mark, MARK);
}

static int64_t body_size(Step *step) {
  if (step->body == BODY_FILE) return step->size + (step->marks ? MARK : 0);
  return step->body == BODY_UNIQUE ? step->size : 0;
}

static void write_head(Client *client) {
  Step *step = step_of(client);
  char target[3072], range[128] = "", length[64] = "", headers[8192];
  fill(target, sizeof target, step->target, client);
  fill(headers, sizeof headers, step->headers, client);
  if (step->range_length) {
    int64_t from = draw() % (step->range_of - step->range_length + 1);
    snprintf(range, sizeof range, "Range: bytes=%lld-%lld\r\n", (long long)from, (long long)(from + step->range_length - 1));
  }
  if (step->body == BODY_FILE && !client->source[client->step]) {
    char path[1024];
    fill(path, sizeof path, step->file, client);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts)) die(path);
    client->source[client->step] = fd;
    step->size = facts.st_size;
  }
  if (step->body == BODY_UNIQUE) {
    if (!client->unique) client->unique = malloc(step->size), memcpy(client->unique, filler, step->size);
    // Behind sixteen zero bytes, which begin no known format.
    draw_mark(client->unique + 16);
  }
  if (step->marks) draw_mark(client->mark);
  if (step->body != BODY_NONE || strcmp(step->method, "GET")) snprintf(length, sizeof length, "Content-Length: %lld\r\n", (long long)(step->body == BODY_TEXT ? step->size : body_size(step)));
  client->head_length = snprintf(client->head, sizeof client->head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%s\r\n", step->method,
                                 target, plan.ports[step->port], headers, range, length);
  if (step->body == BODY_TEXT) client->head_length += snprintf(client->head + client->head_length, sizeof client->head - client->head_length, "%s", step->text);
}

static void begin_step(Client *client) {
  Link *link = link_of(client);
  if (!link->fd) dial(link, plan.ports[step_of(client)->port]);
  write_head(client);
  client->head_sent = client->body_sent = 0;
  client->retried = 0;
  client->phase = SENDING;
  client->step_from = now();
  send_on(client);
}

static void send_again(Client *client) {
  // The server closed a connection that was idle: the one failure that every client has to repeat after.
  hang_up(link_of(client));
  run.reconnects++;
  dial(link_of(client), plan.ports[step_of(client)->port]);
  client->head_sent = client->body_sent = 0;
  client->retried = 1;
  client->phase = SENDING;
  send_on(client);
}

static void fail(Client *client, const char *why) {
  if (!run.errors++) snprintf(run.first_error, sizeof run.first_error, "%s %s: %s", step_of(client)->method, step_of(client)->target, why);
  hang_up(link_of(client));
  if (run.errors > 100) run.is_over = 1;
  begin_cycle(client);
}

static void broken(Client *client, const char *why) {
  if (!client->retried && client->answer_length == 0) send_again(client);
  else fail(client, why);
}

static void send_on(Client *client) {
  Step *step = step_of(client);
  Link *link = link_of(client);
  int64_t size = body_size(step);
  client->answer_length = 0;
  while (client->head_sent < client->head_length) {
    ssize_t sent;
    // Head and a body in memory leave in one segment, as a real client would send them.
    if (step->body == BODY_UNIQUE && client->head_sent == 0) {
      struct iovec parts[2] = { { client->head, client->head_length }, { client->unique, size } };
      struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
      sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
      if (sent > (ssize_t)client->head_length) {
        client->body_sent = sent - client->head_length;
        run.out += client->body_sent;
        sent = client->head_length;
      }
    } else {
      sent = send(link->fd, client->head + client->head_sent, client->head_length - client->head_sent, MSG_NOSIGNAL | (size ? MSG_MORE : 0));
    }
    if (sent < 0 && errno == EAGAIN) return watch(link, client, EPOLLOUT | EPOLLIN);
    if (sent < 0) return broken(client, strerror(errno));
    client->head_sent += sent;
  }
  while (client->body_sent < size) {
    int64_t wanted = size - client->body_sent;
    if (step->rate) {
      int64_t due = (int64_t)((now() - client->step_from) * step->rate) - client->body_sent;
      // The pacer comes by again.
      if (due <= 0) return watch(link, client, EPOLLIN);
      if (wanted > due) wanted = due;
    }
    ssize_t sent;
    if (step->body == BODY_FILE && client->body_sent < step->size) {
      off_t at = client->body_sent;
      if (wanted > step->size - at) wanted = step->size - at;
      sent = sendfile(link->fd, client->source[client->step], &at, wanted);
    } else if (step->body == BODY_FILE) {
      sent = send(link->fd, client->mark + (client->body_sent - step->size), wanted, MSG_NOSIGNAL);
    } else {
      sent = send(link->fd, client->unique + client->body_sent, wanted, MSG_NOSIGNAL);
    }
    if (sent < 0 && errno == EAGAIN) return watch(link, client, EPOLLOUT | EPOLLIN);
    // The answer may be there already, and say why nothing more is wanted.
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) break;
    if (sent <= 0) return broken(client, strerror(errno));
    client->body_sent += sent;
    run.out += sent;
    // One piece each time that the pacer comes by.
    if (step->rate && client->body_sent < size) return watch(link, client, EPOLLIN);
  }
  client->phase = READING_HEAD;
  watch(link, client, EPOLLIN);
}

static void capture(Client *client, const char *body) {
  const char *url = strstr(body, "\"upload_url\":\"");
  const char *uri = strstr(body, "\"content_uri\":\"mxc://");
  // Some servers put spaces into their JSON.
  if (!uri) uri = strstr(body, "\"content_uri\": \"mxc://");
  if (url) {
    url += strlen("\"upload_url\":\"");
    const char *path = strchr(strstr(url, "://") + 3, '/');
    snprintf(client->upload, sizeof client->upload, "%.*s", (int)strcspn(path, "\""), path);
  }
  if (uri) {
    uri = strstr(uri, "mxc://") + strlen("mxc://");
    snprintf(client->media, sizeof client->media, "%.*s", (int)strcspn(uri, "\""), uri);
  }
}

/** Path and query of where a redirect leads. */
static void capture_location(Client *client) {
  const char *field = strcasestr(client->answer, "\r\nlocation: "), *host = field ? strstr(field, "://") : NULL;
  const char *path = host ? strchr(host + 3, '/') : NULL;
  if (path) snprintf(client->upload, sizeof client->upload, "%.*s", (int)strcspn(path, "\r"), path);
}

static void end_step(Client *client) {
  double at = now();
  run.requests++;
  note(&run.steps[client->step], at - client->step_from);
  if (client->must_close) hang_up(link_of(client));
  int is_redirect = client->status >= 300 && client->status <= 399 && step_of(client)->captures;
  if (!is_redirect && (client->status < 200 || client->status > 299)) {
    char why[400];
    snprintf(why, sizeof why, "%.380s", client->answer);
    for (char *c = why; *c; c++) if (*c == '"' || *c == '\\' || *c < ' ') *c = ' ';
    return fail(client, why);
  }
  if (is_redirect) capture_location(client);
  else if (step_of(client)->captures) capture(client, strstr(client->answer, "\r\n\r\n"));
  if (++client->step < plan.step_count) begin_step(client);
  else end_cycle(client);
}

static const char *file_of(Client *client) {
  return plan.unlinks[client->number % plan.unlink_count];
}

static void *unlink_file(void *of) {
  Client *client = of;
  client->unlink_failure = unlink(file_of(client)) ? errno : 0;
  if (write(unlinked[1], &client, sizeof client) != sizeof client) die("the pipe of the unlinked");
  return NULL;
}

/*
 * At once, so that the next body finds the same pages of memory again; and in a thread, because giving back the space of a file that has
 * reached the disk may wait for the disk, and the time between the rounds of one client must not be missing to the others.
 */
static void begin_unlink(Client *client) {
  pthread_t thread;
  client->phase = UNLINKING;
  if (pthread_create(&thread, NULL, unlink_file, client) || pthread_detach(thread)) die("a thread to unlink in");
}

static void end_unlink(void) {
  Client *client;
  if (read(unlinked[0], &client, sizeof client) != sizeof client) die("the pipe of the unlinked");
  if (client->unlink_failure && !run.errors++)
    snprintf(run.first_error, sizeof run.first_error, "unlink %s: %s", file_of(client), strerror(client->unlink_failure));
  begin_cycle(client);
}

static void end_cycle(Client *client) {
  client->step = plan.step_count - 1;
  if (plan.pauses) {
    char line[64];
    printf("{\"pause\":%d}\n", client->number);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(1);
  }
  double took = now() - client->cycle_from;
  note(&run.cycles, took);
  client->busy += took;
  client->cycles++;
  run.finished++;
  if (plan.unlink_count) begin_unlink(client);
  else begin_cycle(client);
}

static void read_body(Client *client, Link *link) {
  while (client->body_left > 0) {
    // MSG_TRUNC: the kernel throws the bytes away without copying them.
    ssize_t got = recv(link->fd, NULL, client->body_left > (1 << 30) ? (1 << 30) : client->body_left, MSG_TRUNC);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return fail(client, "the answer broke off");
    client->body_left -= got;
    run.in += got;
  }
  end_step(client);
}

static void read_on(Client *client) {
  Link *link = link_of(client);
  if (client->phase == READING_BODY) return read_body(client, link);
  for (;;) {
    char *end = client->answer_length ? strstr(client->answer, "\r\n\r\n") : NULL;
    if (end) {
      char *head = client->answer, *field;
      size_t have = client->answer_length - (end + 4 - head);
      client->status = atoi(head + 9);
      *end = 0;
      field = strcasestr(head, "\r\ncontent-length:");
      int64_t length = field ? atoll(field + 17) : 0;
      client->is_chunked = strcasestr(head, "\r\ntransfer-encoding: chunked") != NULL;
      client->must_close = strcasestr(head, "\r\nconnection: close") != NULL;
      *end = '\r';
      if (client->is_chunked) {
        if (strstr(end + 4, "0\r\n\r\n")) return end_step(client);
      } else if (client->status == 204 || client->status == 304 || (int64_t)have >= length) {
        run.in += have;
        return end_step(client);
      } else if (!step_of(client)->captures) {
        client->body_left = length - have;
        client->phase = READING_BODY;
        run.in += have;
        return read_body(client, link);
      }
    }
    // For the body to be dropped by the kernel, not much of it may come along with the head.
    size_t room = step_of(client)->captures ? ANSWER_ROOM - 1 - client->answer_length : 2048;
    if (client->answer_length + room >= ANSWER_ROOM) room = ANSWER_ROOM - 1 - client->answer_length;
    if (room == 0) return fail(client, "the answer is too long");
    ssize_t got = recv(link->fd, client->answer + client->answer_length, room, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return broken(client, got ? strerror(errno) : "the connection was closed");
    client->answer_length += got;
    client->answer[client->answer_length] = 0;
  }
}

// --- a part: warm-up or measurement -----------------------------------------------------------------------------------------------

static void run_part(int64_t limit, double seconds) {
  memset(&run, 0, sizeof run);
  run.from = now();
  run.limit = limit;
  run.until = run.from + seconds;
  int is_paced = 0;
  for (int i = 0; i < plan.step_count; i++) is_paced |= plan.steps[i].rate != 0;
  for (int i = 0; i < plan.clients; i++) {
    clients[i].busy = clients[i].cycles = 0;
    begin_cycle(&clients[i]);
  }
  struct epoll_event events[256];
  while (!run.is_over) {
    int active = 0;
    for (int i = 0; i < plan.clients && !active; i++) active = clients[i].phase != IDLE;
    if (!active) break;
    // Slow uploads are cut when the time is over; everything else is let finish.
    if (is_paced && !limit && now() >= run.until) break;
    int count = epoll_wait(poll_fd, events, 256, is_paced ? PACE_MS : 1000);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == UNLINKED) {
        end_unlink();
        continue;
      }
      Client *client = &clients[events[i].data.u64 >> 8];
      Link *link = &client->links[events[i].data.u64 & 255];
      // Nothing is expected there, so it was closed.
      if (client->phase == IDLE || client->phase == UNLINKING || link != link_of(client)) hang_up(link);
      else if (client->phase == SENDING) {
        if (events[i].events & EPOLLOUT) send_on(client);
        else client->phase = READING_HEAD, read_on(client);
      } else read_on(client);
    }
    if (is_paced) for (int i = 0; i < plan.clients; i++) if (clients[i].phase == SENDING) send_on(&clients[i]);
  }
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void print_times(Times *times) {
  if (!times->count) {
    printf("{\"count\":0}");
    return;
  }
  qsort(times->at, times->count, sizeof *times->at, ascending);
  double sum = 0;
  for (size_t i = 0; i < times->count; i++) sum += times->at[i];
#define MS(share) (times->at[(size_t)((times->count - 1) * (share) + 0.5)] * 1000)
  printf("{\"count\":%zu,\"meanMs\":%.4f,\"p50Ms\":%.4f,\"p90Ms\":%.4f,\"p99Ms\":%.4f,\"maxMs\":%.4f}", times->count,
         sum / times->count * 1000, MS(.5), MS(.9), MS(.99), MS(1));
}

static double cpu(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: load PLAN\n");
    return 2;
  }
  plan.seed = 1;
  read_plan(argv[1]);
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = { .events = EPOLLIN, .data.u64 = UNLINKED };
  if (pipe2(unlinked, O_CLOEXEC) || epoll_ctl(poll_fd, EPOLL_CTL_ADD, unlinked[0], &event)) die("the pipe of the unlinked");
  clients = calloc(plan.clients, sizeof *clients);
  int64_t largest = 64;
  for (int i = 0; i < plan.step_count; i++) if (plan.steps[i].body == BODY_UNIQUE && plan.steps[i].size > largest) largest = plan.steps[i].size;
  filler = calloc(1, largest);
  for (int64_t at = 32; at + 8 <= largest; at += 8) {
    uint64_t word = draw();
    memcpy(filler + at, &word, 8);
  }
  for (int i = 0; i < plan.clients; i++) clients[i].number = i;

  if (plan.warmup) run_part(plan.warmup, 0);
  if (run.errors) {
    printf("{\"error\":\"warm-up: %s\"}\n", run.first_error);
    return 1;
  }
  char line[64];
  printf("{\"warm\":true}\n");
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) return 1;

  double cpu_before = cpu();
  run_part(plan.total, plan.seconds);
  double wall = now() - run.from;
  // Time between requests, such as that of unlinking, is nobody's.
  double rate = 0;
  for (int i = 0; i < plan.clients; i++) if (clients[i].busy > 0) rate += clients[i].cycles / clients[i].busy;
  printf("{\"wallS\":%.6f,\"cycles\":%lld,\"requests\":%lld,\"perSecond\":%.4f,\"perBusySecond\":%.4f,\"bytesOut\":%lld,\"bytesIn\":%lld,"
         "\"cpuS\":%.6f,\"errors\":%lld,\"reconnects\":%lld,\"firstError\":\"%s\",\"cycle\":",
         wall, (long long)run.finished, (long long)run.requests, run.finished / wall, rate, (long long)run.out, (long long)run.in,
         cpu() - cpu_before, (long long)run.errors, (long long)run.reconnects, run.first_error);
  print_times(&run.cycles);
  printf(",\"steps\":[");
  for (int i = 0; i < plan.step_count; i++) {
    if (i) printf(",");
    print_times(&run.steps[i]);
  }
  printf("]}\n");
  return 0;
}
