// Finds, copies and checks WAL indexes, and matches the kernel's list of locks with their slots.
#include "ext/host/wal_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

namespace sqlitemem::ext {
namespace {

constexpr std::size_t header_bytes = 48;  // Twice, one behind the other.
constexpr std::size_t index_bytes = 2 * header_bytes + 24;
constexpr std::uint32_t version = 3007000;
constexpr std::uint64_t first_reader_lock_byte = 123;

/// A file descriptor of something under /proc: nobody else's locks hang on those.
class ProcFile {
 public:
  explicit ProcFile(const char* path) : descriptor_(::open(path, O_RDONLY | O_CLOEXEC)) {}
  ~ProcFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  ProcFile(const ProcFile&) = delete;
  ProcFile& operator=(const ProcFile&) = delete;

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] bool copy(std::uintptr_t address, std::span<std::byte> into) const {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(address));
    return got == static_cast<ssize_t>(into.size());
  }
  [[nodiscard]] std::string text() const {
    std::string all;
    std::array<char, 16384> part{};
    for (ssize_t got = 1; got > 0;) {
      got = ::read(descriptor_, part.data(), part.size());
      if (got > 0) all.append(part.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int descriptor_;
};

template <class Use>
void for_each_line(const std::string& text, Use use) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    use(text.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
}

std::uint32_t word_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + offset, sizeof word);
  return word;
}

/// nullopt: a writer was at it, or it is no WAL index.
std::optional<WalIndex> decode(std::span<const std::byte> bytes) {
  if (std::memcmp(bytes.data(), bytes.data() + header_bytes, header_bytes) != 0)
    return std::nullopt;
  const bool is_initialised = bytes[12] != std::byte{0};
  if (word_at(bytes, 0) != version || !is_initialised) return std::nullopt;
  WalIndex index;
  std::uint16_t page = 0;
  std::memcpy(&page, bytes.data() + 14, sizeof page);
  index.page_bytes = page == 1 ? 65536 : page;
  index.frames = word_at(bytes, 16);
  index.checkpointed = word_at(bytes, 96);
  for (std::size_t slot = 0; slot < WalIndex::slots; ++slot)
    index.marks[slot] = word_at(bytes, 100 + 4 * slot);
  return index;
}

}  // namespace

std::vector<std::uint64_t> WalIndex::held_frames(bool here) const {
  std::vector<std::uint64_t> frames_held;
  for (std::size_t slot = 0; slot < slots; ++slot) {
    if (here ? is_held_here[slot] : is_held_elsewhere[slot])
      frames_held.push_back(std::min(frame_of(slot), frames));
  }
  std::sort(frames_held.begin(), frames_held.end());
  frames_held.erase(std::unique(frames_held.begin(), frames_held.end()), frames_held.end());
  return frames_held;
}

void WalIndexes::read_process() {
  is_process_read_ = true;
  const ProcFile maps("/proc/self/maps"), locks("/proc/locks");
  if (!maps.is_open()) return;
  for_each_line(maps.text(), [this](const char* line) {
    std::uintptr_t address = 0;
    char shared = 0;
    std::uint64_t offset = 0, inode = 0;
    const int found = std::sscanf(line, "%" SCNxPTR "-%*x %*c%*c%*c%c %" SCNx64 " %*s %" SCNu64,
                                  &address, &shared, &offset, &inode);
    if (found == 4 && shared == 's' && offset == 0 && inode != 0)
      mappings_.push_back({inode, address});
  });
  knows_locks_ = locks.is_open();
  if (!knows_locks_) return;
  for_each_line(locks.text(), [this](const char* line) {
    std::int64_t process = 0;
    HeldLock lock;
    // "1: POSIX  ADVISORY  READ 4711 fe:00:10952911 124 124"; waiters have an arrow in front.
    const int found = std::sscanf(
        line, "%*d: POSIX ADVISORY READ %" SCNd64 " %*x:%*x:%" SCNu64 " %" SCNu64 " %" SCNu64,
        &process, &lock.inode, &lock.first_byte, &lock.last_byte);
    if (found != 4) return;
    lock.is_here = process == ::getpid();
    locks_.push_back(lock);
  });
}

const WalIndex* WalIndexes::of(const std::string& database_file) {
  const auto known = known_.find(database_file);
  const auto& index = known != known_.end()
                          ? known->second
                          : known_.emplace(database_file, read(database_file)).first->second;
  return index ? &*index : nullptr;
}

std::optional<WalIndex> WalIndexes::read(const std::string& database_file) {
  struct stat shared_memory {};
  if (::stat((database_file + "-shm").c_str(), &shared_memory) != 0) return std::nullopt;
  if (!is_process_read_) read_process();
  const auto mapping = std::find_if(
      mappings_.begin(), mappings_.end(),
      [&](const Mapping& candidate) { return candidate.inode == shared_memory.st_ino; });
  if (mapping == mappings_.end()) return std::nullopt;
  const ProcFile memory("/proc/self/mem");
  std::array<std::byte, index_bytes> bytes{};
  std::optional<WalIndex> index;
  for (int attempt = 0; attempt < 4 && !index; ++attempt) {
    if (!memory.is_open() || !memory.copy(mapping->address, bytes)) return std::nullopt;
    index = decode(bytes);
  }
  if (!index) return std::nullopt;
  struct stat log {};
  if (::stat((database_file + "-wal").c_str(), &log) == 0)
    index->wal_bytes = static_cast<std::uint64_t>(log.st_size);
  mark_locks(shared_memory.st_ino, *index);
  return index;
}

void WalIndexes::mark_locks(std::uint64_t inode, WalIndex& index) const {
  index.knows_locks = knows_locks_;
  for (const HeldLock& lock : locks_) {
    if (lock.inode != inode) continue;
    for (std::size_t slot = 0; slot < WalIndex::slots; ++slot) {
      const std::uint64_t byte = first_reader_lock_byte + slot;
      if (byte < lock.first_byte || byte > lock.last_byte) continue;
      (lock.is_here ? index.is_held_here : index.is_held_elsewhere)[slot] = true;
    }
  }
}

}  // namespace sqlitemem::ext
