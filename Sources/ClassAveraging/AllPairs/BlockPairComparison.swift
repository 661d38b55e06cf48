import Execution
import MPI

/// Compares two blocks that meet on a rank, tile by tile on all threads.
///
/// Of a block pair that two ranks share, the one whose block comes first takes chunks of rows from the first on, the
/// other from the last: what is done is always a range of rows at one end.
struct BlockPairComparison {
  let blockPair: BlockPair
  /// This rank's images and the travelling block's, or the same twice.
  let own: PairTile.Side
  private(set) var travelling: PairTile.Side
  /// Where two ranks share the block pair.
  let shared: SharedChunks?
  /// What the travelling block's owner has found: candidates that it would refuse are left out once this has come.
  let thresholds: Exchange<Float>?
  let capacity: Int
  let pool: WorkerPool<PairTile>
  let observer: any StageObserver
  private let comparedBefore: [ComparedRectangle]
  private var hasThresholds = false
  private var hasBegun = false

  init(
    _ blockPair: BlockPair, _ own: PairTile.Side, _ travelling: PairTile.Side,
    shared: SharedChunks?,
    thresholds: Exchange<Float>?, capacity: Int, pool: WorkerPool<PairTile>,
    observer: any StageObserver
  ) {
    self.blockPair = blockPair
    self.own = own
    self.travelling = travelling
    self.shared = shared
    self.thresholds = thresholds
    self.capacity = capacity
    self.pool = pool
    self.observer = observer
    comparedBefore = blockPair.rowsComparedBefore
  }

  private var first: PairTile.Side { blockPair.isOwnFirst ? own : travelling }
  private var second: PairTile.Side { blockPair.isOwnFirst ? travelling : own }

  /// Compares rows of the first block with all of the second.
  /// - Parameters:
  ///   - isLeftOut: nothing is compared; a partner is told so.
  ///   - advance: told how many pairs were compared.
  ///   - poll: called often, to let messages get on.
  ///   - between: called after some tiles, with the positions that are done of the first block and what
  ///     was found by each thread; whether to go on.
  /// - Returns: what each thread found, and the positions that are done.
  mutating func run(
    isLeftOut: Bool, advance: (Int) throws -> Void, poll: () throws -> Void,
    between: (Range<Int>, [TileLists]) throws -> Bool
  ) throws -> (found: [TileLists], done: Range<Int>) {
    let rowCount = first.block.count
    let found = (0..<pool.count).map { _ in
      TileLists(
        rows: BestCandidates(rows: rowCount, capacity: capacity),
        columns: BestCandidates(rows: second.block.count, capacity: capacity))
    }
    let cut = BlockPairTiles(of: first.block, threads: pool.count)
    let isFromFirst = shared?.isKeeper ?? true
    // Between two calls of `between` at most.
    let rowsPerBlock = 2 * pool.count * PairTile.rowsPerTile
    var done = isFromFirst ? 0..<0 : rowCount..<rowCount
    var isGoingOn = !isLeftOut
    while isGoingOn, var left = try nextTiles(cut)?[...] {
      var rowsBefore = done.count
      while isGoingOn && !left.isEmpty {
        let round = isFromFirst ? left.prefix(cut.tilesPerRound) : left.suffix(cut.tilesPerRound)
        left = isFromFirst ? left.dropFirst(round.count) : left.dropLast(round.count)
        for piece in 0..<cut.piecesPerRound {
          try takeThresholds()
          compare(round, piece, of: cut.piecesPerRound, found)
          try poll()
        }
        try advance(round.reduce(0) { $0 + pairs(of: $1) })
        done =
          isFromFirst
          ? 0..<round.last!.rows.upperBound : round.first!.rows.lowerBound..<rowCount
        if left.isEmpty || done.count - rowsBefore >= rowsPerBlock {
          rowsBefore = done.count
          isGoingOn = try between(blockPair.first.positions(rows: done), found)
        }
      }
    }
    if let shared { try observer.communicating { try shared.finish() } }
    return (found, blockPair.first.positions(rows: done))
  }

  /// The tiles that this rank is to compare next, or nil: of a chunk of a shared block pair, or all at once.
  private mutating func nextTiles(_ cut: BlockPairTiles) throws -> [PairBlock.Run]? {
    if let shared {
      return try observer.communicating { try shared.next() }.map { cut.tiles(chunk: $0) }
    }
    if hasBegun { return nil }
    hasBegun = true
    return cut.tiles(chunk: nil)
  }

  /// Compares a piece of some tiles: every thread takes tiles, or a part of each where there are too few.
  private func compare(
    _ tiles: ArraySlice<PairBlock.Run>, _ piece: Int, of pieces: Int, _ found: [TileLists]
  ) {
    let (first, second, comparedBefore) = (first, second, comparedBefore)
    let isTriangle = blockPair.isTriangle
    let parts = tiles.count % pool.count == 0 ? 1 : pool.count
    pool.forEach(tiles.count * parts, into: found) { tile, lists, at in
      tile.compare(
        tiles[tiles.startIndex + at / parts], of: first, with: second,
        part: piece * parts + at % parts, of: pieces * parts, isTriangle: isTriangle,
        comparedBefore: comparedBefore, lists: lists)
    }
  }

  private func pairs(of tile: PairBlock.Run) -> Int {
    tile.rows.count
      * (second.block.count - (blockPair.isTriangle ? tile.rows.lowerBound : 0))
  }

  private mutating func takeThresholds() throws {
    if let thresholds, !hasThresholds, try thresholds.hasArrived() {
      travelling.thresholds = thresholds.received
      hasThresholds = true
    }
  }
}
