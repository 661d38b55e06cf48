import Synchronization

/// Numbers that all ranks of a node count up, each at its own time: to share out work without asking anybody.
public final class SharedCounters {
  private let memory: NodeMemory<Int64>

  /// `count` counters, all zero; nil, on all ranks, where the node has no room for them. Collective over the ranks
  /// of `node` (from `Communicator.splitByNode`).
  public init?(ifRoomFor count: Int, node: Communicator) throws(MPIError) {
    guard let memory = try NodeMemory<Int64>.allocate(ifRoomFor: count, node: node) else {
      return nil
    }
    self.memory = memory
  }

  /// Adds one to a counter; what it was: no two ranks get the same.
  public func next(_ index: Int) -> Int {
    Int(counter(index).pointee.add(1, ordering: .relaxed).oldValue)
  }

  /// What a counter is, or a moment ago was.
  public func value(_ index: Int) -> Int { Int(counter(index).pointee.load(ordering: .relaxed)) }

  private func counter(_ index: Int) -> UnsafeMutablePointer<Atomic<Int64>> {
    precondition(memory.elements.indices.contains(index))
    return UnsafeMutableRawPointer(memory.elements.baseAddress! + index)
      .assumingMemoryBound(to: Atomic<Int64>.self)
  }
}
