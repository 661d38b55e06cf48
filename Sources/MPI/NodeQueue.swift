/// Numbered items that the ranks of a node share as they go: a node has those that would be its ranks' by equal
/// shares, and each rank takes the next when it has time, so that none waits for a slower one for longer than an item
/// takes.
///
/// Every rank must be able to work on any item, and which one does must not matter. Nobody is asked, and nobody has to
/// answer: the ranks count up in memory that all of the node see; where there is none, each has its own share.
public final class NodeQueue {
  /// The node's ranks, among all.
  private let ranks: [Int]
  private let size: Int
  private let rounds: Int
  /// How many items were taken in each round.
  private let counters: SharedCounters?
  private var round = -1
  private var items: [Int] = []
  private var taken = 0

  /// Collective.
  /// - Parameters:
  ///   - rounds: how often `begin` is called, at most.
  ///   - comm: the ranks that take part.
  public init(rounds: Int, on comm: Communicator) throws(MPIError) {
    let node = try comm.splitByNode()
    self.rounds = rounds
    size = comm.size
    counters = node.size == 1 ? nil : try SharedCounters(ifRoomFor: rounds, node: node)
    ranks = counters == nil ? [comm.rank] : try node.allgather([comm.rank])
  }

  /// Begins a round of `count` items, as many on all ranks. Waits for nobody.
  public func begin(_ count: Int) {
    round += 1
    precondition(round < rounds, "round \(round) of \(rounds)")
    let shares = Partition(of: count, among: size)
    items = ranks.flatMap { shares.range(of: $0) }
    taken = 0
  }

  /// The next item, or nil where the node has none left. Waits for nobody.
  public func next() -> Int? {
    let place = counters?.next(round) ?? taken
    taken += 1
    return place < items.count ? items[place] : nil
  }

  /// Up to `most` of the next items.
  public func next(_ most: Int) -> [Int] { (0..<most).compactMap { _ in next() } }
}
