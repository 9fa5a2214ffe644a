/****************************************************************************
 * @brief	FINN's fifo.sv with a depth that is an input: one model runs with any depths.
 *
 * @description
 *	          +----------+       +----------+       +-------+
 *	in0 ----> | memory   | ----> | pipeline | ----> | queue | ----> out0
 *	          +----------+       +----------+       +-------+
 *	          capacity words     1 or 2 words       "ultra" only
 *
 *	Cycle by cycle as fifo.sv with DEPTH=depth and this RAM_STYLE, in every backing. The
 *	memory takes no more space than the words that are in it. A depth of 0 has no limit.
 ***************************************************************************/
module sim_fifo #(
	int unsigned  WIDTH,
	parameter  RAM_STYLE = "auto"	// "auto", "shift", "distributed", "block", "ultra"
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic [31:0]  depth,	// constant while words are inside

	input	logic [WIDTH-1:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,

	output	logic [WIDTH-1:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	typedef logic [WIDTH-1:0]  dat_t;
	localparam int unsigned  QUEUE = 16;	// words of the queue behind UltraRAM

	//-----------------------------------------------------------------------
	// Backing, by fifo.sv's rules
	typedef enum { LUTS, BLOCK, ULTRA } backing_e;
	backing_e  backing;
	int unsigned  lo;	// address bits of the larger of two memories
	int unsigned  capacity;	// words of the memory, the pipeline excluded
	always_comb begin
		backing = LUTS;
		if(depth > 33) begin
			if(RAM_STYLE == "block")  backing = BLOCK;
			else if(RAM_STYLE == "ultra")  backing = ULTRA;
			else if(RAM_STYLE == "auto" && depth > 257 && WIDTH >= 5)
				backing = depth <= 2028? BLOCK : ULTRA;
		end

		lo = 0;
		capacity = depth == 0? '1 : depth > 4? depth - 1 : 4;
		if(backing != LUTS) begin
			automatic int unsigned  least = backing == ULTRA? 12 : 9;
			automatic int unsigned  words = depth - 1 - (backing == ULTRA? QUEUE : 0);
			lo = $clog2(words);
			capacity = 1 << lo;
			if(lo > least) begin
				automatic int unsigned  hi = $clog2(words - (1 << (lo-1)));
				if(hi < lo-1) begin
					lo--;
					capacity = (1 << lo) + (1 << (hi < 1? 1 : hi));
				end
			end
		end
	end

	//-----------------------------------------------------------------------
	// Memory
	dat_t  Mem[$];
	int unsigned  Fill = 0;
	uwire  push = in0_V_TVALID && in0_V_TREADY;
	uwire  drain;
	assign	in0_V_TREADY = Fill < capacity;

	// Pipeline to the output, the next word first: stops as a whole, without closing gaps
	dat_t  Dat[2];
	logic [1:0]  Vld = '0;

	// Queue behind UltraRAM: words on their way, each with the cycle in which it may go on
	dat_t  Way[$];
	longint unsigned  Due[$];
	longint unsigned  Cycle = 0;
	int unsigned  Beyond = 0;	// words drained and not yet sent
	longint unsigned  NextDue = '1;

	uwire  load = !Vld[0] || out0_V_TREADY;
	assign	drain = Fill != 0 && (backing == ULTRA? Beyond <= QUEUE : load);
	uwire  arrive = NextDue <= Cycle && load;
	assign	out0_V_TVALID = Vld[0];
	assign	out0_V_TDATA  = Dat[0];

	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n) begin
			Mem = {};
			Way = {};
			Due = {};
			Fill <= 0;
			Vld <= '0;
			Beyond <= 0;
			NextDue <= '1;
		end
		else begin
			automatic dat_t  word = 'x;
			if(drain)  word = Mem.pop_front();
			if(push)   Mem.push_back(in0_V_TDATA);
			Fill <= Fill + int'(push) - int'(drain);

			if(backing == ULTRA) begin
				if(load) begin
					Vld[0] <= arrive;
					if(arrive) begin
						Dat[0] <= Way.pop_front();
						void'(Due.pop_front());
					end
				end
				if(drain) begin
					Way.push_back(word);
					Due.push_back(Cycle + 4 + longint'(((1 << lo) - 1) / 8192));
				end
				NextDue <= Due.size() == 0? '1 : Due[0];
				Beyond <= Beyond + int'(drain) - int'(out0_V_TVALID && out0_V_TREADY);
			end
			else if(load) begin
				Vld <= backing == BLOCK? { drain, Vld[1] } : { 1'b0, drain };
				Dat[0] <= backing == BLOCK? Dat[1] : word;
				Dat[1] <= word;
			end
		end
		Cycle <= Cycle + 1;
	end

endmodule : sim_fifo
