import Synchronization

/// Numbers that all ranks of a node count up, each at its own time: to share out work without asking anybody.
///
/// Made and freed collectively by the ranks of `node` (from `Communicator.splitByNode`).
public final class SharedCounters {
  private var window: SharedWindow<Int64>?
  private let counters: UnsafeMutableBufferPointer<Int64>

  /// `count` counters, all zero. Collective.
  public init(count: Int, node: Communicator) throws(MPIError) {
    window = try .allocate(count: count, node: node)
    counters = window?.elements ?? .init(start: nil, count: 0)
  }

  /// Adds one to a counter; what it was: no two ranks get the same.
  public func next(_ index: Int) -> Int {
    Int(counter(index).pointee.add(1, ordering: .relaxed).oldValue)
  }

  /// What a counter is, or a moment ago was.
  public func value(_ index: Int) -> Int { Int(counter(index).pointee.load(ordering: .relaxed)) }

  /// Gives the memory back: no rank may count any more. Collective.
  public func free() throws(MPIError) { try window.take()?.free() }

  private func counter(_ index: Int) -> UnsafeMutablePointer<Atomic<Int64>> {
    precondition(window != nil && counters.indices.contains(index))
    return UnsafeMutableRawPointer(counters.baseAddress! + index)
      .assumingMemoryBound(to: Atomic<Int64>.self)
  }
}
