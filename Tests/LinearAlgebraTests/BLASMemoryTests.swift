import Testing

@testable import LinearAlgebra

@Suite struct BLASMemoryTests {
  /// 128 TiB are more than a process has addresses for.
  @Test func tooMuchIsRefused() throws {
    let error = #expect(throws: BLASMemoryError.self) {
      try reserveBLASMemory(threads: 1 << 20)
    }
    #expect(error?.description.contains("refuses the 134217728 MiB of addresses") == true)
    // What there is room for is granted, after that too.
    try reserveBLASMemory(threads: 1)
    let product =
      Matrix(rows: 1, columns: 1, storage: [3]) * Matrix(rows: 1, columns: 1, storage: [4])
    #expect(product.storage == [12])
  }
}
