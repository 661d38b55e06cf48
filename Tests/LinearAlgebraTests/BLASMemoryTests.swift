import COpenBLAS
import Testing

@testable import LinearAlgebra

@Suite(.serialized) struct BLASMemoryTests {
  /// 128 TiB are more than a process has addresses for.
  @Test func tooMuchIsRefused() throws {
    let error = #expect(throws: BLASMemoryError.self) {
      try reserveBLASMemory(threads: 1 << 20)
    }
    #expect(error?.threads == 1 << 20 && error?.neededBytes == 1 << 47)
    // What there is room for is granted, after that too.
    try reserveBLASMemory(threads: 1)
    let product =
      Matrix(rows: 1, columns: 1, storage: [3]) * Matrix(rows: 1, columns: 1, storage: [4])
    #expect(product.storage == [12])
  }
  /// Within and after, also after an error.
  @Test func threadsAreWhatTheyWere() throws {
    struct Failure: Error {}
    try reserveBLASMemory(threads: 3)
    #expect(openblas_get_num_threads() == 1)
    let inside = withBLASThreads(3) {
      [openblas_get_num_threads(), withBLASThreads(2) { openblas_get_num_threads() }]
        + [openblas_get_num_threads()]
    }
    #expect(inside == [3, 2, 3])
    #expect(throws: Failure.self) { try withBLASThreads(2) { throw Failure() } }
    #expect(openblas_get_num_threads() == 1)
  }
}
