// One of the eviction policies, chosen when the pool starts.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "allocators/config.h"
#include "allocators/pool/policy/policies.h"

namespace sqlitemem {

/// The position in AnyPolicy.
enum class PolicyKind : std::uint8_t {};
inline constexpr std::size_t policy_count = std::variant_size_v<AnyPolicy>;

namespace policy_detail {
template <std::size_t... I>
constexpr std::array<std::string_view, policy_count> names(std::index_sequence<I...>) {
  return {std::variant_alternative_t<I, AnyPolicy>::name...};
}
}  // namespace policy_detail

/// In the order of AnyPolicy: the choices of the option that names one.
inline constexpr auto policy_names = policy_detail::names(std::make_index_sequence<policy_count>{});

static_assert(policy_names == config_detail::policies, "the option names other policies");

/// Calls go to the policy that start() chose. Those of a miss are inline for the default one.
class PolicySet {
  using Default = std::variant_alternative_t<0, AnyPolicy>;

  template <class Use, std::size_t I = 0>
  static std::size_t with_alternative(PolicyKind kind, Use use) noexcept {
    if (static_cast<std::size_t>(kind) == I || I + 1 == policy_count)
      return use(std::type_identity<std::variant_alternative_t<I, AnyPolicy>>{});
    if constexpr (I + 1 < policy_count) return with_alternative<Use, I + 1>(kind, use);
    return 0;
  }
  // Not std::visit, which may throw: the variant always holds a value.
  template <std::size_t I = 0, class Use>
  decltype(auto) visit(Use use) noexcept {
    if constexpr (I + 1 < policy_count) {
      if (policy_.index() != I) return visit<I + 1>(use);
    }
    auto* policy = std::get_if<I>(&policy_);
    if (policy == nullptr) __builtin_unreachable();
    return use(*policy);
  }
  template <std::size_t I = 0, class Use>
  decltype(auto) visit(Use use) const noexcept {
    if constexpr (I + 1 < policy_count) {
      if (policy_.index() != I) return visit<I + 1>(use);
    }
    auto* policy = std::get_if<I>(&policy_);
    if (policy == nullptr) __builtin_unreachable();
    return use(*policy);
  }

 public:
  constexpr PolicySet() noexcept = default;

  /// See EvictionPolicy.
  [[nodiscard]] static std::size_t bytes_needed(PolicyKind kind, std::uint32_t capacity) noexcept {
    return with_alternative(
        kind, [capacity](auto type) { return decltype(type)::type::bytes_needed(capacity); });
  }
  void start(PolicyKind kind, const PolicyMemory& memory, std::uint32_t capacity) noexcept {
    with_alternative(kind, [&](auto type) {
      policy_.emplace<typename decltype(type)::type>().start(memory, capacity);
      return std::size_t{0};
    });
  }
  void move_ghosts(const PolicyMemory& memory) noexcept {
    visit([&](auto& policy) { policy.move_ghosts(memory); });
  }
  [[nodiscard]] bool reference_is_a_mark() const noexcept {
    return visit([]<class Policy>(const Policy&) { return Policy::reference_is_a_mark; });
  }
  void on_reference(FrameRecord& frame) noexcept {
    visit([&](auto& policy) { policy.on_reference(frame); });
  }
  void resize(std::uint32_t frames) noexcept {
    visit([frames](auto& policy) { policy.resize(frames); });
  }
  void set_time(std::uint16_t time) noexcept {
    if (auto* policy = std::get_if<Default>(&policy_)) [[likely]]
      return policy->set_time(time);
    visit([time](auto& policy) { policy.set_time(time); });
  }
  [[nodiscard]] QueueAge age() const noexcept {
    return visit([](const auto& policy) { return policy.age(); });
  }
  /// admit() of the default policy will be called with this hash.
  [[gnu::always_inline]] void prefetch(std::uint64_t key_hash) const noexcept {
    if (const auto* policy = std::get_if<Default>(&policy_)) policy->prefetch(key_hash);
  }
  /// Of the default policy; nullptr: it is another one, or there is no victim.
  [[gnu::always_inline]] FrameRecord* prefetch_victim() const noexcept {
    const auto* policy = std::get_if<Default>(&policy_);
    return policy != nullptr ? policy->prefetch_victim() : nullptr;
  }
  [[gnu::always_inline]] bool admit(FrameRecord& frame, std::uint64_t key_hash) noexcept {
    if (auto* policy = std::get_if<Default>(&policy_)) [[likely]]
      return policy->admit(frame, key_hash);
    return visit([&](auto& policy) { return policy.admit(frame, key_hash); });
  }
  void rekey(FrameRecord& frame, std::uint64_t key_hash) noexcept {
    visit([&](auto& policy) { policy.rekey(frame, key_hash); });
  }
  void remove(FrameRecord& frame, KeyMemory memory) noexcept {
    visit([&](auto& policy) { policy.remove(frame, memory); });
  }
  template <class Predicate>
  [[nodiscard, gnu::always_inline]] FrameRecord* choose_victim(Predicate is_evictable) noexcept {
    if (auto* policy = std::get_if<Default>(&policy_)) [[likely]]
      return policy->choose_victim(is_evictable);
    return visit([&](auto& policy) { return policy.choose_victim(is_evictable); });
  }
  void ask_again(FrameRecord& frame) noexcept {
    visit([&](auto& policy) { policy.ask_again(frame); });
  }
  [[nodiscard]] Tier tier(const FrameRecord& frame) const noexcept {
    return visit([&](const auto& policy) { return policy.tier(frame); });
  }
  /// Uses that a policy with marks remembers; nullopt without.
  [[nodiscard]] std::optional<std::uint8_t> references(const FrameRecord& frame) const noexcept {
    return visit([&](const auto& policy) -> std::optional<std::uint8_t> {
      if constexpr (requires { policy.marks(frame); })
        return policy.marks(frame);
      else
        return std::nullopt;
    });
  }
  [[nodiscard]] TierCounts counts() const noexcept {
    return visit([](const auto& policy) { return policy.counts(); });
  }
  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return visit([](const auto& policy) { return policy.capacity(); });
  }
  [[nodiscard]] std::uint32_t max_capacity() const noexcept {
    return visit([](const auto& policy) { return policy.max_capacity(); });
  }
  [[nodiscard]] std::string_view name() const noexcept { return policy_names[policy_.index()]; }
  [[nodiscard]] std::optional<Violation> find_violation() const {
    return visit([](const auto& policy) { return policy.find_violation(); });
  }

 private:
  AnyPolicy policy_;
};

}  // namespace sqlitemem
