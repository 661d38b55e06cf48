/// How the rows of a block pair's first block are cut: into chunks, of which ranks that share the block pair take one at
/// a time, and these into tiles for the threads.
struct BlockPairTiles {
  private let runs: [PairBlock.Run]
  private let rowCount: Int
  /// In a shared block pair: a whole number of lane groups that follows from the rows alone, so that both ranks cut
  /// alike.
  let rowsPerChunk: Int
  /// Tiles that are compared at the same time.
  let tilesPerRound: Int
  /// Parts in which a round is compared: the ranks' messages are looked at after a quarter of a chunk's work, or
  /// a rank that asks for a chunk would wait for the answer.
  let piecesPerRound: Int
  private let rowsPerTile: Int

  /// There are at least so many chunks, where there are as many lane groups: the last one may keep a rank waiting.
  private static let chunks = 96
  private static let lanes = BlockPositions.lanes

  init(of block: PairBlock, threads: Int) {
    runs = block.runs
    rowCount = block.count
    rowsPerChunk = max(1, block.laneGroupCount / Self.chunks) * Self.lanes
    rowsPerTile = min(PairTile.rowsPerTile, rowsPerChunk)
    tilesPerRound = min(threads, rowsPerChunk / rowsPerTile)
    piecesPerRound = max(1, 4 * tilesPerRound * rowsPerTile / rowsPerChunk)
  }

  var chunkCount: Int { (rowCount + rowsPerChunk - 1) / rowsPerChunk }

  /// The tiles of a chunk, or of all rows: of one defocus group each, ascending.
  func tiles(chunk: Int?) -> [PairBlock.Run] {
    let all = 0..<rowCount
    let rows = chunk.map { ($0 * rowsPerChunk..<($0 + 1) * rowsPerChunk).clamped(to: all) } ?? all
    return PairBlock.tiles(runs, in: rows, length: rowsPerTile)
  }
}
