// How much of the server each address holds: connections, event streams, bytes. Whoever floods it
// comes to the end of his own share first.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "api/server/server.hpp"
#include "core/thread_safety.hpp"

namespace noforce::api {

// Any thread.
class Admission {
 public:
  explicit Admission(const ServerLimits& limits) : limits_(limits) {}

  // One connection's share; what it holds is given back with it. One thread at a time.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    // Beyond the limits: it gets a 503.
    [[nodiscard]] bool is_shed() const { return shed_; }
    [[nodiscard]] const std::string& group() const { return group_; }
    // False: there are too many streams, in all or by this address. Given back with the place.
    [[nodiscard]] bool take_stream();
    // Says how many bytes are held for it now; false: too many, in all or for this address. An
    // address may always have one answer, however large.
    [[nodiscard]] bool holds(std::size_t bytes);

   private:
    friend class Admission;
    Place(Admission& admission, std::string group, bool shed)
        : admission_(&admission), group_(std::move(group)), shed_(shed) {}

    Admission* admission_ = nullptr;
    std::string group_;
    bool shed_ = false;
    bool streams_ = false;
    std::size_t bytes_ = 0;
  };

  // What there is room for.
  enum class Room : std::uint8_t {
    free,
    none_for_address,  // one of this address has to give way
    none,              // one of the address that has most has to
  };
  [[nodiscard]] Room room_for(const std::string& group) const;
  // The address that has most connections.
  [[nodiscard]] std::string largest() const;
  // Takes a place, within the limits or as one that is shed; false in `is_there`: not even that.
  struct Taken {
    Place place;
    bool is_there = false;
  };
  [[nodiscard]] Taken take(const std::string& address, bool shed);

  // The address, or the /64 of an IPv6 one.
  [[nodiscard]] static std::string group_of(const std::string& address);

 private:
  struct Share {
    std::size_t connections = 0;
    std::size_t streams = 0;
    std::size_t bytes = 0;
  };
  void give_back(const Place& place);

  const ServerLimits limits_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, Share> shares_ NOFORCE_GUARDED_BY(mutex_);
  Share all_ NOFORCE_GUARDED_BY(mutex_);
  std::size_t shed_ NOFORCE_GUARDED_BY(mutex_) = 0;
};

}  // namespace noforce::api
