import MPI

@testable import ImageModel

/// Takes a stream's images and brings them to rank 0.
package final class CollectedImages: ImageSink {
  private let pixels: Int
  private let comm: Communicator
  private var numbers: [Int64] = []
  private var images: [Float] = []
  /// In the stream's order, on rank 0, once the stream has ended.
  package private(set) var all: [Float] = []
  /// Their numbers.
  package private(set) var order: [Int64] = []

  package init(pixels: Int, on comm: Communicator) {
    self.pixels = pixels
    self.comm = comm
  }

  package func write(_ images: UnsafeBufferPointer<Float>, from first: Int) throws {
    numbers += (0..<images.count / pixels).map { Int64(first + $0) }
    self.images += Array(images)
  }

  package func complete() throws {
    let numbers = try comm.gatherRagged(numbers)
    let images = try comm.gatherRagged(images)
    let sorted = numbers.indices.sorted { numbers[$0] < numbers[$1] }
    order = sorted.map { numbers[$0] }
    all = sorted.flatMap { images[$0 * pixels..<($0 + 1) * pixels] }
  }
}
