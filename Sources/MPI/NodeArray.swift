/// The ranks' arrays one after the other, in rank order, for all ranks to read: one copy a node where every node has
/// room for it, otherwise one a rank.
// Unchecked: what it holds is written before it is made, and only read from then on.
public final class NodeArray<Element: MPIDatatype & AdditiveArithmetic>: @unchecked Sendable {
  /// All elements; as long as this array lives.
  public let elements: UnsafeBufferPointer<Element>
  private let memory: NodeMemory<Element>?

  /// Whether the ranks of a node read one copy.
  public var isShared: Bool { memory != nil }

  /// Collective.
  /// - Parameters:
  ///   - own: of this rank.
  ///   - comm: the ranks that take part.
  public convenience init(gathering own: [Element], on comm: Communicator) throws(MPIError) {
    try self.init(gathering: own, on: comm, node: comm.splitByNode())
  }

  /// Collective.
  /// - Parameters:
  ///   - own: of this rank.
  ///   - node: the ranks that share this one's memory.
  init(gathering own: [Element], on comm: Communicator, node: Communicator) throws(MPIError) {
    let counts = try comm.allgather([own.count])
    memory = try Self.memory(for: counts.reduce(0, +), of: node, on: comm)
    guard let memory else {
      let all = try comm.allgatherRagged(own)
      let copy = UnsafeMutableBufferPointer<Element>.allocate(capacity: all.count)
      _ = copy.initialize(from: all)
      elements = UnsafeBufferPointer(copy)
      return
    }
    elements = UnsafeBufferPointer(memory.elements)
    let start = counts.prefix(comm.rank).reduce(0, +)
    _ = UnsafeMutableBufferPointer(rebasing: memory.elements[start..<start + own.count])
      .update(from: own)
    try memory.addOverNodes(on: comm)
  }

  /// Nil, on all ranks, where no node has several ranks or one has no room.
  private static func memory(for count: Int, of node: Communicator, on comm: Communicator)
    throws(MPIError) -> NodeMemory<Element>?
  {
    if try comm.allreduce(node.size, .maximum) == 1 { return nil }
    let memory = try NodeMemory<Element>.allocate(ifRoomFor: count, node: node)
    return try comm.allreduce(memory == nil ? 0 : 1, .minimum) == 1 ? memory : nil
  }

  deinit { if memory == nil { elements.deallocate() } }
}
