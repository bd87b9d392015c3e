// English plots at home, at school and among friends; see plots.h.
#include "corpus/plots.h"

namespace minke::corpus {
namespace {

constexpr Plot kPlots[] = {
    {Cast::any, "the lost $toy",
     "{toy={#colour|little|soft|woolly} {ball|kite|scarf|toy boat|wooden "
     "horse|drum|hat|whistle|lantern|ribbon}}{hide=under {a bush|the bench|a pile of leaves|the bridge}|behind {a big "
     "rock|the shed|the old oak|the fence}|in {a basket|the tall grass|a hollow log}}{spot=#place}",
     "$a had @ $toy. It was $a_his favourite thing in the whole world. {#time $a took it to $spot and played until "
     "{lunch|noon|the bells rang}.|$a took it everywhere, even to {bed|the table|$spot}.} ",
     "But {then|when it was time to go home|a little later} the $toy was gone! $a #looked {left and right|high and "
     "low|here and there|up and down $spot}, but $a_he could not find it. \"Oh no, my $toy!\" cried $a. $a_he felt "
     "#sad. ",
     "$b_intro heard $a {crying|sniffing} and came {over|running}. \"{What is wrong|What happened|Why are you so "
     "sad}?\" asked $b. \"I have lost my $toy,\" $a #said. \"{Do not worry|Do not cry|Never mind}. {Let us look "
     "together|Two can look better than one|I will help you},\" said $b #kindly. \"{Where did you see it last|Where "
     "were you when you had it last}?\" $a #thought. \"{I think I was|I sat|I was playing} near $spot,\" said $a. ",
     "So they went back and looked {again|once more|very carefully}. {$b looked on the left and $a looked on the "
     "right.|They looked in every corner.|} \"{Look|Here|I see something}!\" {shouted|called} $b. There, $hide, was "
     "the $toy! $a was #happy. #thanks ",
     "two friends can find what one cannot"},
    {Cast::child, "$a and the dark",
     "{thing=a coat on the door|the curtain in the wind|a chair with a shirt on it|a branch outside the "
     "window}{light=lamp|torch|candle}",
     "$a was {five|six|seven} years old and {brave|not scared of anything} all day long. $a_he climbed trees and "
     "jumped over puddles. ",
     "But at night, when the $light was off, $a was #scared. One night $a_he saw {a tall|a dark|a strange} shape in "
     "the corner. It moved! $a pulled the blanket over $a_his head. \"There is a monster in my room!\" $a_he called. ",
     "$elder came in {at once|quickly|with soft steps} and sat down on the bed. \"{Let us look at this monster "
     "together|Shall we ask the monster its name|Monsters do not like light},\" $e_he said, and turned on the $light. ",
     "It was not a monster at all. It was only $thing! $a laughed, and $elder laughed too. \"{When you are scared, "
     "look twice|Things look different in the dark},\" said $elder. Then $e_he {sang a song|told a story|kissed $a} "
     "and turned off the $light. This time $a was not afraid. ",
     "the dark hides nothing that was not there before"},
    {Cast::any, "one $cake for two",
     "{cake=apple pie|honey cake|round loaf of bread|cheese cake|berry pie|nut cake|plum cake|pancake}",
     "#time $a {baked|made|was given} @ {big|warm|fresh} $cake. It smelled {so good|wonderful|sweet and warm}. \"I "
     "will eat it all by myself,\" {said|thought} $a, and #ran to {a quiet place|the shade of a tree|$a_his favourite "
     "spot}. ",
     "On the way $a met $b_intro. $b {sat|was sitting} {by the path|on a stone|under a tree} and {looked #sad|did not "
     "smile}. \"I have not eaten {since yesterday|all day},\" said $b. \"{I forgot my lunch|My lunch fell into the "
     "water|The wind blew my bread away}.\" ",
     "$a looked at the $cake and then at $b. The $cake was not very big. $a #thought. Then $a_he cut it into two "
     "{equal parts|halves|pieces}. \"{Here, this half is for you|One for you and one for me|We can share},\" said $a. ",
     "They sat {side by side|down together} and ate. {The half tasted better than the whole|It was the best $cake "
     "ever|Every bite was sweeter than the last}. When they had finished, $b said, \"{Tomorrow|Next time|On Sunday} I "
     "will bring {nuts|pears|a cake|something} and share with you.\" $a was #happy. ",
     "food tastes better when it is shared"},
    {Cast::child, "$a learns to {ride|ride a bicycle}", "{bike=#colour bicycle}{who=$elder}",
     "For $a_his birthday $a got @ $bike. $a_he wanted to ride it {to the lake|to school|like the big children|down "
     "the street} at once. ",
     "But riding was {hard|not easy|harder than it looked}. The $bike {shook|wobbled} to the left and to the right, "
     "and {bump|crash}! $a fell {into the grass|on $a_his knees|into a puddle}. $a_he tried again and fell again. \"I "
     "will never learn it!\" $a_he said and kicked a stone. ",
     "$who saw it and came {outside|over}. \"I fell {ten|twenty|many} times when I learned to ride,\" said $who. "
     "\"{Look ahead and not at your feet|Look at the tree over there, not at the wheel}. I will hold you.\" $a nodded "
     "and {tried once more|climbed on again}. $who held the seat and ran beside $a_him. ",
     "After a while $a called, \"Do not let go!\" But $who was {standing far behind|already far behind} and "
     "{waved|clapped}. $a was riding all alone! {The wind blew in $a_his hair.|$a_he rang the bell again and again.|} "
     "$a was #happy. ",
     "whoever gets up once more than he falls will learn it"},
    {Cast::child, "the broken {vase|cup|window}",
     "{thing=vase|blue cup|window|teapot|lamp|flower pot}{ball=ball|kite|toy plane}{elder2=$elder}",
     "#time $a was playing with @ $ball {inside the house|in the living room|near the house}. \"Be careful,\" $elder "
     "had said. ",
     "But the $ball flew {too far|too high|out of $a_his hands} and hit the $thing. Crash! It broke into {many|a "
     "hundred|little} pieces. $a's heart beat fast. Nobody had seen it. \"{I could say that the cat did it|I could say "
     "it was the wind|I could hide the pieces},\" {thought $a|$a thought}. ",
     "$a told $b_intro about it. \"{If you hide it, you will think of it all day|If you say it was not you, someone "
     "else gets the blame},\" said $b. \"{Tell the truth|Say it now}. I will come with you.\" So they went "
     "{together|hand in hand} to $elder. \"I broke the $thing,\" $a said with {red cheeks|a small voice|tears in "
     "$a_his eyes}. \"I am sorry.\" ",
     "$elder was quiet for a moment. Then $e_he {smiled|took $a_his hand}. \"{The $thing was old, but your word is "
     "worth more|Thank you for telling the truth|I am sad about the $thing, but I am proud of you},\" said $elder. "
     "Together they {swept up the pieces|cleaned the floor|glued the pieces}. $a felt {light as a feather|much "
     "better|as if a stone had fallen from $a_his heart}. ",
     "the truth is hard for a minute and a lie is hard for a long time"},
    {Cast::child, "the {new girl|new boy|new child}",
     "{game=chess|jump rope|hide and seek|football|cards|marbles}{land=a town by the sea|a far country|the "
     "mountains|another city}",
     "$a was new at school. $a_he came from $land and did not know anybody. $a_he wanted to have a friend {more than "
     "anything|so much}. ",
     "At {lunch|the break|noon} the other children were {laughing and playing|playing $game}. $a stood {alone by the "
     "wall|under a tree and watched}. Nobody {looked|called} $a_his name. $a felt #sad. ",
     "Then @ $b_kind called $b came over. \"{Hello|Hi}! {Do you want to play $game with us|Can you play $game|We need "
     "one more for $game}?\" asked $b. \"I {do not know how|have never played it},\" said $a. \"{That is easy|No "
     "problem|Never mind}, I will show you,\" said $b #kindly. ",
     "So $a learned to play $game. {At first $a_he lost, and then $a_he won.|$a_he made mistakes, and everyone "
     "laughed, and $a laughed too.|It was a lot of fun.} In return $a told {stories about|everyone about} $land. When "
     "the bell rang, $a was not alone any more. \"{See you tomorrow|Will you sit next to me tomorrow|Tomorrow we play "
     "again},\" said $b. $a was #happy. ",
     "one friendly word can open a door"},
    {Cast::child, "the seed",
     "{plant=sunflower|bean|pumpkin|tomato plant|apple tree|strawberry plant}{pot=pot|box of earth|corner of the "
     "garden}",
     "$elder gave $a a {small|tiny|brown} seed. \"If you take care of it, it will become @ $plant,\" said $elder. $a "
     "{put|planted} it in @ $pot and gave it water. $a_he wanted to see the $plant {right away|at once|the same day}. ",
     "But the next morning there was nothing. The day after there was nothing. After {three|four|five} days there was "
     "still only {brown|dark|bare} earth. \"{My seed is broken|The seed is asleep|Nothing will ever grow here}!\" said "
     "$a, and $a_he {almost threw it away|wanted to dig it out}. ",
     "\"{Wait|Be patient},\" said $elder. \"{Under the earth it is busy, where you cannot see it|First it makes roots, "
     "and roots grow in the dark}. {Give it water, light and time|It needs water, sun and time}.\" So $a "
     "{waited|watered it every morning|sat next to it and sang to it}. ",
     "{One week later|On the tenth day|One bright morning} a {tiny|thin|small} green tip came out of the earth. $a "
     "{shouted for joy|ran to tell everybody}. It grew and grew, and {at the end of summer|many weeks later|in autumn} "
     "the $plant was taller than $a_he was. $a was #happy. ",
     "good things need time"},
    {Cast::any, "the {secret|surprise}",
     "{gift=@ #colour scarf|a box of {pencils|shells|buttons}|a book about {whales|the stars|ships}|@ {apple|cherry} "
     "cake|a little boat|a drum}",
     "It was $a's birthday. $a woke up early and {waited for a song|listened for a song|looked for a present}. "
     "{\"Today everyone will think of me,\" $a_he said.|}",
     " But nobody said anything. $b_intro walked by and only said, \"Good morning.\" {The others were busy.|Nobody had "
     "time to play.} \"They have all forgotten me,\" thought $a. $a_he felt #sad and went for a long walk to #place. ",
     "In the {evening|afternoon} $b came {running|to find $a_him}. \"{Come quickly|You must come home at once}, I need "
     "your help!\" said $b. $a {ran|hurried} home as fast as $a_he could. The house was dark and quiet. {$a opened the "
     "door slowly.|\"Hello?\" asked $a.|} ",
     "\"Surprise!\" {called|shouted} everyone, and all the lights went on. There were {lanterns|balloons|flowers} and "
     "a big {cake|table full of food}, and $b gave $a_him $gift. \"We were busy all day {because of you|to get this "
     "ready},\" said $b and laughed. $a was #happy. ",
     "it is too early to be sad before the day is over"},
    {Cast::child, "soup for {grandmother|grandfather|the neighbour}",
     "{{old=grandmother}{o_he=she}{o_his=her}{o_him=her}|{old=grandfather}{o_he=he}{o_his=his}{o_him=him}|{old="
     "neighbour}{o_he=she}{o_his=her}{o_him=her}}{veg=carrots|potatoes|beans|onions|pumpkin|leeks}",
     "$a's $old was ill and had to stay in bed. $a wanted to {help|make $o_him well again|cheer $o_him up}. \"I will "
     "cook a soup,\" $a_he said. ",
     "But {$a had never cooked before|soup is not so easy}. The $veg were {hard to cut|too hot|on the highest shelf}, "
     "and there was {too much salt|no salt|too much water} in the pot. The first soup tasted {terrible|like the "
     "sea|like nothing at all}. ",
     "$a went to $b_intro and asked for help. \"{My father is a cook|I have seen how to make it|I know how}. {First "
     "you wash everything|First we cut the $veg small}, then we put them in the water, and then we wait,\" said $b. "
     "They worked together, {stirred|tasted} and laughed. ",
     "In the evening they carried the {hot|warm} soup to the $old. $o_he ate one spoon, then {two, then three|the "
     "whole bowl}. \"{This is the best soup of my life. Who made it|I feel better already. Did you make this|Who made "
     "this wonderful soup}?\" $o_he asked. \"{We did, together|We made it for you},\" said $a, and was #happy. ",
     "a warm soup made by a friend is good medicine"},
    {Cast::child, "the {noise|noise at night}",
     "{{noise=tap, tap, tap}{cause=a branch that knocked at the window}|{noise=scratch, scratch}{cause=a small kitten "
     "that wanted to come in}|{noise=drip, drip, drip}{cause=the tap in the kitchen}|{noise=rustle, rustle}{cause=a "
     "hedgehog in the dry leaves}|{noise=flap, flap}{cause=a sheet that hung on the line in the wind}}",
     "$a wanted to sleep. It was late, and {the moon was bright|the house was quiet|everyone was asleep}. ",
     "Then $a_he heard a noise. ^$noise. $a sat up. ^$noise. There it was again! {$a_he was #scared.|\"Is it a "
     "ghost?\" $a_he whispered.} ",
     "$a woke $a_his cousin $c. \"{Do you hear that?|Listen!}\" said $a. $c listened. \"I hear it,\" $c_he said. \"We "
     "can {be afraid all night|hide under the bed}, or we can go and look.\" They took a {lamp|torch} and went {down "
     "the stairs|step by step through the house}, hand in hand. ^$noise. ",
     "They came nearer and nearer, and $c held up the light. It was only $cause! The children {looked at each other "
     "and laughed|laughed until their stomachs hurt}. {Then they went back to bed and slept until the morning.|After "
     "that they slept very well.} ",
     "a fear gets small when you look at it"},
    {Cast::any, "the {little|old} market",
     "{{x1=an egg}{x2=a jar of honey}{x3=a warm blanket}{x4=a lantern}|{x1=@ #colour button}{x2=a ball of wool}{x3=a "
     "basket of apples}{x4=a flute}|{x1=a fresh fish}{x2=a bag of flour}{x3=a pot}{x4=a small bell}}",
     "$a wanted {nothing more than|to have} $x4. $a_he had seen it at the market. But $a had no money. All $a_he had "
     "was $x1. ",
     "\"{For that|For this} I cannot give you $x4,\" said the {trader|old man at the market|seller} and shook his "
     "head. $a {went away|turned round} with {slow steps|a long face}. ",
     "On the way $a_he met $b_intro, who needed $x1. \"I will give you $x2 for it,\" said $b. So they swapped. A "
     "little later $a met a {farmer|woman} who was looking for $x2, and who gave $a_him $x3. \"{That is better and "
     "better|What a day},\" thought $a. ",
     "{Full of hope|With quick steps|At once} $a_he carried it back to the market. \"{That is just what I need|My wife "
     "has wanted this all winter|Now we can talk},\" said the seller, and gave $a $x4. $a was #happy and #ran home to "
     "show it to $b. ",
     "what you do not need may be just what another one is looking for"},
    {Cast::child, "the {library book|book}",
     "{book=whales|pirates|the moon|dragons|trains|dinosaurs}{place2=on the bus|in the park|under a bed|in the rain}",
     "$a loved books. #time $a_he went to the library to borrow the big book about $book. It was the last one on the "
     "shelf. ",
     "But another child put a hand on it at the same moment. It was $b. \"I saw it first!\" said $a. \"No, I did!\" "
     "said $b. They {pulled|pulled and pulled}, and the {librarian|woman at the desk} said, \"Ssh!\" ",
     "\"What do you want to know?\" asked the librarian. \"{How big they are|Where they come from|Everything},\" said "
     "$a. \"{Me too|The same},\" said $b. \"Well, a book can be read by {two pairs of eyes|two people at a time},\" "
     "she said and {pointed to|showed them} a soft seat by the window. ",
     "So $a and $b sat down and read it together. {$a read one page aloud and $b read the next.|$b turned the pages "
     "and $a read aloud.} They found out a lot about $book, and {they drew a picture of it|they forgot the time}. "
     "{When the library closed, they were friends.|\"Tomorrow at the same time?\" asked $b. \"Of course!\" said $a.} ",
     "sharing makes one thing into two"},
    {Cast::child, "$a's {machine|robot}",
     "{{part=a screw}{where=in the sofa}|{part=a wire}{where=under the table}|{part=a small wheel}{where=in the cat's "
     "bed}|{part=a battery}{where=in an old clock}}{name=Bip|Zag|Otto|Tik|Rusty}{work=water the flowers|sweep the "
     "floor|play the drum|carry books|paint pictures}",
     "$a built a robot {out of old boxes|out of tins and wires|from an old radio}. $a_he called it $name. $name was "
     "made to $work. ",
     "But when $a pressed the button, nothing happened. $a pressed it {again|ten times}. $name only said "
     "\"{bzzz|krrr|click}\" and stood still. \"What did I do wrong?\" asked $a. $a_he was #sad. ",
     "$b_intro {looked|had a look} at the robot from all sides. \"{Do not guess|Let us not guess}. Let us test one "
     "part after the other,\" said $b. They tested the {arms|wheels}. They were fine. They tested the {lamp|head}. It "
     "was fine. Then $a saw it: $part was missing! ",
     "They looked everywhere and found it $where. $a put it in {carefully|its place} and pressed the button. \"Hello, "
     "I am $name,\" said the robot and began to $work. $a and $b {danced through the room|cheered|jumped for joy}. ",
     "when something does not work, test one part after the other"},
};

}  // namespace

std::span<const Plot> english_plots() { return kPlots; }

}  // namespace minke::corpus
