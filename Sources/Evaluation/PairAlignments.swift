import Execution
import MPI
import ParticleIO

/// Aligns the clean images of neighbours, in bounded memory.
///
/// The spectra of a stretch of images at a time lie in memory that the ranks of a node share; each
/// rank scores the pairs of its own images against them. One stretch holds everything unless the set
/// is large; then the spectra of the images themselves are formed again for each stretch.
struct PairAlignments {
  package let clean: MRCFile
  /// The memory for spectra on each node, in bytes.
  package let memoryPerNode: Int

  /// The alignments of the pairs of `rows`, which start with image `first`; nil for a missing
  /// neighbour. Collective.
  package func align(
    _ rows: RunTable, first: Int, on comm: Communicator, observer: any StageObserver
  ) throws -> [PolarSpectra.Alignment?] {
    let spectra = PolarSpectra(side: clean.width)
    let images = clean.sections
    let spectrumBytes = spectra.count * MemoryLayout<Float>.stride
    let stretch = min(images, max(1, memoryPerNode / spectrumBytes))
    let node = try comm.splitByNode()
    let memory = try NodeMemory<Float>.allocate(count: stretch * spectra.count, node: node)
    let shared = memory.elements.baseAddress!
    let own = UnsafeMutableBufferPointer<Float>.allocate(capacity: spectra.count)
    defer { own.deallocate() }
    var alignments = [PolarSpectra.Alignment?](repeating: nil, count: rows.neighbours.count)

    let stretches = (images + stretch - 1) / stretch
    observer.stageBegan("align clean images", items: images + stretches * rows.images)
    for number in 0..<stretches {
      let range = number * stretch..<min(images, (number + 1) * stretch)
      let part = Partition(of: range.count, among: node.size).range(of: node.rank)
      var done = range.lowerBound + number * rows.images
      try comm.agree {
        try forEachImage(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound) {
          image, pixels in
          spectra.analyse(pixels, into: shared + (image - range.lowerBound) * spectra.count)
          try observer.stageAdvanced(
            to: done + (image - range.lowerBound - part.lowerBound) * node.size)
        }
      }
      try observer.communicating { try memory.fence() }
      done += range.count
      try comm.agree {
        for row in 0..<rows.images {
          let slots = (row * rows.width..<(row + 1) * rows.width).filter {
            range.contains(Int(rows.neighbours[$0]))
          }
          if slots.isEmpty { continue }
          let image = first + row
          var spectrum = UnsafePointer(own.baseAddress!)
          if range.contains(image) {
            spectrum = UnsafePointer(shared + (image - range.lowerBound) * spectra.count)
          } else {
            try forEachImage(image..<image + 1) { spectra.analyse($1, into: own.baseAddress!) }
          }
          for slot in slots {
            let other = Int(rows.neighbours[slot]) - range.lowerBound
            alignments[slot] = spectra.align(
              spectrum, shared + other * spectra.count, isReflected: rows.reflected[slot] != 0)
          }
          try observer.stageAdvanced(to: done + row)
        }
      }
      try observer.communicating { try memory.fence() }
    }
    observer.stageEnded()
    return alignments
  }

  /// Reads the images of `range` some at a time and hands over each.
  private func forEachImage(
    _ range: Range<Int>, _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let size = clean.width * clean.height
    let batch = min(range.count, 64)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: batch * size)
    defer { buffer.deallocate() }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: max(batch, 1)) {
      let sections = start..<min(start + batch, range.upperBound)
      let pixels = UnsafeMutableBufferPointer(rebasing: buffer[..<(sections.count * size)])
      try clean.read(sections: sections, into: pixels)
      for image in sections {
        let offset = (image - start) * size
        try body(image, UnsafeBufferPointer(rebasing: pixels[offset..<offset + size]))
      }
    }
  }
}
