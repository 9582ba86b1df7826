#include "api/server/admission.hpp"

#include <algorithm>
#include <utility>

#include "core/ip_address.hpp"

namespace noforce::api {

Admission::Place::Place(Place&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      group_(std::move(other.group_)),
      shed_(other.shed_),
      streams_(other.streams_),
      bytes_(other.bytes_) {}

Admission::Place& Admission::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  if (admission_ != nullptr) admission_->give_back(*this);
  admission_ = std::exchange(other.admission_, nullptr);
  group_ = std::move(other.group_);
  shed_ = other.shed_;
  streams_ = other.streams_;
  bytes_ = other.bytes_;
  return *this;
}

Admission::Place::~Place() {
  if (admission_ != nullptr) admission_->give_back(*this);
}

bool Admission::Place::take_stream() {
  if (admission_ == nullptr || streams_) return streams_;
  const MutexLock lock(admission_->mutex_);
  Share& share = admission_->shares_[group_];
  const ServerLimits& limits = admission_->limits_;
  if (admission_->all_.streams >= limits.streams || share.streams >= limits.streams_per_address)
    return false;
  ++admission_->all_.streams;
  ++share.streams;
  streams_ = true;
  return true;
}

bool Admission::Place::holds(std::size_t bytes) {
  if (admission_ == nullptr || bytes == bytes_) return true;
  const MutexLock lock(admission_->mutex_);
  Share& share = admission_->shares_[group_];
  Share& all = admission_->all_;
  share.bytes += bytes - bytes_;
  all.bytes += bytes - bytes_;
  const bool grew = bytes > bytes_;
  bytes_ = bytes;
  const ServerLimits& limits = admission_->limits_;
  const bool is_only_one = share.bytes == bytes_;
  return !grew || (all.bytes <= limits.held_bytes &&
                   (is_only_one || share.bytes <= limits.held_bytes_per_address));
}

Admission::Room Admission::room_for(const std::string& group) const {
  const MutexLock lock(mutex_);
  const auto share = shares_.find(group);
  if (share != shares_.end() && share->second.connections >= limits_.connections_per_address)
    return Room::none_for_address;
  return all_.connections >= limits_.connections ? Room::none : Room::free;
}

std::string Admission::largest() const {
  const MutexLock lock(mutex_);
  const auto most = std::max_element(
      shares_.begin(), shares_.end(),
      [](const auto& a, const auto& b) { return a.second.connections < b.second.connections; });
  return most == shares_.end() ? std::string() : most->first;
}

Admission::Taken Admission::take(const std::string& group, bool shed) {
  const MutexLock lock(mutex_);
  if (shed && shed_ >= limits_.shed) return {};
  Share& share = shares_[group];
  if (shed) {
    ++shed_;
  } else {
    ++all_.connections;
    ++share.connections;
  }
  return {.place = Place(*this, group, shed), .is_there = true};
}

void Admission::give_back(const Place& place) {
  const MutexLock lock(mutex_);
  Share& share = shares_[place.group_];
  if (place.shed_) {
    --shed_;
  } else {
    --all_.connections;
    --share.connections;
  }
  if (place.streams_) {
    --all_.streams;
    --share.streams;
  }
  all_.bytes -= place.bytes_;
  share.bytes -= place.bytes_;
  if (share.connections == 0 && share.streams == 0 && share.bytes == 0) shares_.erase(place.group_);
}

std::string Admission::group_of(const std::string& address) {
  std::string bytes = ip_bytes(address);
  if (bytes.size() != 16) return address;
  std::fill(bytes.begin() + 8, bytes.end(), '\0');
  return ip_text(bytes) + "/64";
}

}  // namespace noforce::api
