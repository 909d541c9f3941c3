#ifndef TENDON_MAPPING_H_
#define TENDON_MAPPING_H_

#include <cstddef>
#include <unordered_map>

#include "addon.h"

namespace tendon {

// Owns one mapping.
class Region {
 public:
  Region(void* address, size_t bytes, std::shared_ptr<Regions> owner)
      : address_(address), bytes_(bytes), owner_(std::move(owner)) {}
  ~Region() { Unmap(); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  void* address() const { return address_; }
  size_t bytes() const { return bytes_; }
  void Unmap();

 private:
  void* address_;  // null once unmapped
  size_t bytes_;
  std::shared_ptr<Regions> owner_;
};

// The live mappings of one environment by address. Used on that environment's thread only.
class Regions {
 public:
  void Add(Region* region) { by_address_[region->address()] = region; }
  void Remove(void* address) { by_address_.erase(address); }
  Region* Find(void* address) const {
    const auto found = by_address_.find(address);
    return found == by_address_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<void*, Region*> by_address_;
};

}  // namespace tendon

#endif  // TENDON_MAPPING_H_
