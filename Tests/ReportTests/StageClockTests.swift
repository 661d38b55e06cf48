import MPI
import Testing

@testable import Report

extension SerialTests {
  @Suite struct StageClockTests {
    @Test func countsNestedCommunicationOnceAndClosesStages() throws {
      var time = 0.0
      let clock = StageClock(display: nil, now: { time })
      clock.stageBegan("a", items: 0)
      time = 2
      clock.communicating {
        time = 3
        clock.communicating { time = 5 }
      }
      time = 6
      clock.stageBegan("b", items: 0)  // ends a
      time = 10
      let table = try clock.finish(Universe.world())
      #expect(table.ranks == 1)
      #expect(table.stages.map(\.name) == ["a", "b"])
      #expect(table.stages.map(\.meanSeconds) == [6, 4])
      #expect(table.stages.map(\.communicationShare) == [0.5, 0])
      #expect(table.stages.allSatisfy { $0.imbalance == 0 && $0.peakBytes > 0 })
    }

    @Test func peakMemoryIsCountedAnewForEachStage() {
      let size = 128 << 20
      let clock = StageClock(display: nil, now: { 0 })
      clock.stageBegan("large", items: 0)
      let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
      memory.initializeMemory(as: UInt8.self, repeating: 1, count: size)
      #expect(PeakMemory.bytes() > size)
      memory.deallocate()
      let before = PeakMemory.bytes()
      clock.stageBegan("small", items: 0)
      #expect(PeakMemory.bytes() < before)
      #expect(clock.peakBytes >= before)
    }

    @Test func peakMemoryIsReadFromTheStatusText() {
      #expect(PeakMemory.bytes(inStatus: "VmPeak:\t  9 kB\nVmHWM:\t   1234 kB\n") == 1234 * 1024)
      #expect(PeakMemory.bytes(inStatus: "Name:\tkindred\n") == 0)
    }
  }
}
