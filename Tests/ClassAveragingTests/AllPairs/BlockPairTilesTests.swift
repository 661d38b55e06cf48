import Testing

@testable import ClassAveraging

@Suite struct BlockPairTilesTests {
  /// A block whose defocus groups have so many lane groups.
  private func block(_ laneGroups: [Int]) -> PairBlock {
    let block = PairBlock(width: 2, laneGroupCount: laneGroups.reduce(0, +))
    var at = 0
    for (group, count) in laneGroups.enumerated() {
      for _ in 0..<count {
        block.fill(at, group: Int32(group)) { _ in }
        at += 1
      }
    }
    return block
  }

  @Test(
    arguments: [
      [320], [100, 3, 1, 57, 200], Array(repeating: 2, count: 300), [3200, 1, 700], [2, 1], [],
    ], [1, 2, 7])
  func everyRowOnce(laneGroups: [Int], threads: Int) {
    let block = block(laneGroups)
    let cut = BlockPairTiles(of: block, threads: threads)
    // Ranks with other numbers of threads cut into the same chunks.
    #expect(cut.chunkCount == BlockPairTiles(of: block, threads: 1).chunkCount)
    let chunks = (0..<cut.chunkCount).map { cut.tiles(chunk: $0) }
    for tiles in [chunks.flatMap { $0 }, cut.tiles(chunk: nil)] {
      #expect(tiles.flatMap { Array($0.rows) } == Array(0..<block.count))
      for tile in tiles {
        #expect(tile.rows.count <= PairTile.rowsPerTile && tile.rows.lowerBound % 16 == 0)
        #expect(tile.rows.allSatisfy { block.group($0 / 16) == tile.group })
      }
    }
    for tiles in chunks {
      // No less than the 16 rows that are compared side by side, and no more than a fiftieth.
      let rows = tiles.reduce(0) { $0 + $1.rows.count }
      #expect(0 < rows && rows <= max(16, block.count / 50))
    }
  }
}
