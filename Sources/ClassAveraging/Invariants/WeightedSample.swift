import Execution
import Foundation

/// A sample without replacement of a stream, each draw proportional to the elements' weights.
///
/// Every element gets the key Exp(1) / weight and those with the smallest keys stay (Efraimidis and
/// Spirakis 2006), in a bounded heap: memory is that of the sample, however long the stream.
struct WeightedSample<Element> {
  private let capacity: Int
  private let seed: UInt64
  private var offered: UInt64 = 0
  /// A heap with the largest key, the next to go, at the front.
  private var heap: [(key: Double, order: UInt64, element: Element)] = []

  init(capacity: Int, seed: UInt64) {
    precondition(capacity > 0, "a sample of at least one element")
    self.capacity = capacity
    self.seed = seed
  }

  /// The sample, in the order in which its elements were offered.
  var elements: [Element] { heap.sorted { $0.order < $1.order }.map(\.element) }

  /// Offers one element; those of weight 0 are never drawn.
  mutating func offer(_ element: @autoclosure () -> Element, weight: Double) {
    let order = offered
    offered += 1
    guard weight > 0 else { return }
    let uniform = CounterRandom.uniform(seed: seed, counter: order)
    // -log(u) >= 1 - u: most elements of a long stream go without a logarithm.
    if heap.count == capacity, 1 - uniform >= heap[0].key * weight { return }
    let key = -log(uniform) / weight
    if heap.count < capacity {
      heap.append((key, order, element()))
      siftUp()
    } else if key < heap[0].key {
      heap[0] = (key, order, element())
      siftDown()
    }
  }

  private mutating func siftUp() {
    var child = heap.count - 1
    while child > 0, heap[(child - 1) / 2].key < heap[child].key {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func siftDown() {
    var parent = 0
    while true {
      var largest = parent
      for child in 2 * parent + 1...2 * parent + 2
      where child < heap.count && heap[child].key > heap[largest].key {
        largest = child
      }
      if largest == parent { return }
      heap.swapAt(parent, largest)
      parent = largest
    }
  }
}
