import Foundation
import ParticleIO
import TestSupport
import Testing

@Suite struct NPYTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func bytesAreThoseOfNumPy() throws {
    // numpy.save of numpy.array([[1, -2, 3]], dtype=numpy.int32): a dictionary padded to 128 bytes.
    let path = folder.file("a.npy")
    try NPY.write([1, -2, 3] as [Int32], shape: [1, 3], to: path)
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
    let text = "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3), }"
    let header = Array(text.utf8) + [UInt8](repeating: 32, count: 117 - text.utf8.count) + [10]
    #expect(
      bytes == [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + header
        + [1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0])
    try NPY.write([7] as [UInt8], shape: [1], to: path)
    let vector = try String(decoding: Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    #expect(vector.contains("'|u1'") && vector.contains("(1,)"))
  }

  @Test func arraysComeBack() throws {
    func check<T: NPYElement & Equatable>(_ values: [T], _ shape: [Int]) throws {
      let path = folder.file("a.npy")
      try NPY.write(values, shape: shape, to: path)
      let read = try NPY.read(T.self, from: path)
      #expect(read.values == values && read.shape == shape)
    }
    try check([1.5, -2, .infinity, 0x1p-140] as [Float], [2, 2])
    try check([Double.pi], [])
    try check([-1, Int64.max] as [Int64], [2, 1, 1])
    try check([] as [UInt8], [0, 3])
  }

  @Test func badFilesAreRefused() throws {
    let path = folder.file("a.npy")
    try NPY.write([1, 2, 3] as [Float], shape: [3], to: path)
    #expect(
      message { _ = try NPY.read(Int32.self, from: path) }
        == "\(path): holds '<f4' in C order; '<i4' in C order expected")
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
    try folder.write(Array(bytes.dropLast()), to: "a.npy")
    #expect(message { _ = try NPY.read(Float.self, from: path) }.contains("is cut short"))
    try folder.write(Array(bytes.prefix(40)), to: "a.npy")
    #expect(message { _ = try NPY.read(Float.self, from: path) }.contains("ends within its header"))
    try folder.write("not an array at all", to: "a.npy")
    #expect(message { _ = try NPY.read(Float.self, from: path) }.contains("is not a NumPy array"))
  }

  @Test func streamedArrayMustBeComplete() throws {
    let path = folder.file("a.npy")
    let writer = try NPYWriter(path: path, of: Float.self, shape: [2, 2])
    try writer.append([1, 2, 3])
    #expect(message { try writer.finish() }.contains("1 values were not written"))
    try writer.append([4])
    try writer.finish()
    #expect(try NPY.read(Float.self, from: path).values == [1, 2, 3, 4])
  }
}
