import MPI

/// Blocks of images that the ranks of a node share as they go: each rank takes its own, then those of the rank
/// that has most left, so that none waits for a slower one for longer than a block takes.
///
/// The blocks lie in memory that all ranks of the node see, and so do counters of what is taken: no rank asks
/// another, and none has to answer. Where there is no such memory each rank takes its own.
final class NodeBlocks {
  private let node: Communicator
  private let width: Int
  /// Where each rank's blocks begin in the memory, and behind them where the last one ends, in floats.
  private var offsets: [[Int]] = []
  private var memory: SharedWindow<Float>?
  /// For each rank, how often a block of its own was asked for.
  private var taken: SharedCounters?
  /// Blocks that are not shared.
  private var own: ArraySlice<PairBlock>

  /// Collective over the ranks of `node`.
  /// - Parameters:
  ///   - blocks: this rank's.
  ///   - width: of every rank's blocks.
  /// - Throws: `MPIError`.
  init(_ blocks: [PairBlock], width: Int, node: Communicator) throws {
    self.node = node
    self.width = width
    own = blocks[...]
    if node.size > 1 { try share() }
  }

  private func share() throws {
    let counts = try node.allgatherRagged(own.map(\.laneGroupCount))
    let lengths = try node.allgather([own.count])
    var (next, end) = (0, 0)
    for length in lengths {
      var starts = [end]
      for count in counts[next..<next + length] {
        end += count * PairBlock.length(width: width)
        starts.append(end)
      }
      next += length
      offsets.append(starts)
    }
    guard try SharedWindow<Float>.hasRoom(for: end, node: node) else { return }
    memory = try .allocate(count: end, node: node)
    taken = try SharedCounters(count: node.size, node: node)
    guard let elements = memory?.elements else { return }
    for (block, start) in zip(own, offsets[node.rank]) {
      _ = UnsafeMutableBufferPointer(rebasing: elements[start...])
        .update(fromContentsOf: block.message)
    }
    own = []
    try memory?.fence()
  }

  /// The next block for this rank to work on, its own or another's; nil where none is left. Waits for nobody.
  func next() -> PairBlock? {
    guard let elements = memory?.elements, let taken else { return own.popFirst() }
    func left(_ rank: Int) -> Int { offsets[rank].count - 1 - taken.value(rank) }
    var owner = node.rank
    repeat {
      let number = taken.next(owner)
      if number < offsets[owner].count - 1 {
        let range = offsets[owner][number]..<offsets[owner][number + 1]
        return PairBlock(width: width, message: UnsafeBufferPointer(rebasing: elements[range]))
      }
      owner = (0..<node.size).max { left($0) < left($1) }!
    } while left(owner) > 0
    return nil
  }

  /// Gives the memory back; no rank may ask for blocks any more. Collective over the node.
  func free() throws {
    try memory.take()?.free()
    try taken?.free()
  }
}
